"""Unit checks of the driver: `python -m unittest` in this folder, with the library installed. No broker is needed."""

import collections
import json
import pathlib
import unittest

from kafka import errors

import consumer_ops
import driver
import outcome
import records

VECTORS = json.loads((pathlib.Path(__file__).parent.parent / "vectors.json").read_text())
Consumed = collections.namedtuple("Consumed", "offset key value headers timestamp")


class Records(unittest.TestCase):
    def test_generated_records_have_the_agreed_digest(self):
        for vector in VECTORS:
            digests = {}
            for partition, key, value, headers, timestamp in records.generate(vector["generate"]):
                digest = digests.setdefault(str(partition), records.Digest())
                digest.add(Consumed(digest.count, key, value, headers, timestamp))
            got = {p: {"count": d.result()["count"], "sha256": d.result()["sha256"]} for p, d in digests.items()}
            self.assertEqual(vector["partitions"], got)

    def test_unknown_form_of_value_is_an_error(self):
        with self.assertRaises(KeyError):
            list(records.generate({"count": 1, "value": "xml"}))

    def test_partition_may_be_left_out(self):
        self.assertEqual((None, b"k"), records.decode({"k": "aw==", "v": None})[:2])

    def test_null_and_empty_are_told_apart(self):
        self.assertEqual((1, None, b"", [("a", None), ("b", b"")], None), records.decode({"p": 1, "k": None, "v": "", "h": [["a", None], ["b", ""]]}))
        self.assertEqual((None, ""), (records.b64(None), records.b64(b"")))


class Answers(unittest.TestCase):
    def test_unknown_operation_is_unsupported(self):
        self.assertTrue(driver.answer({"id": 1, "op": "no_such"})["unsupported"])

    def test_share_groups_are_unsupported(self):
        got = driver.answer({"id": 2, "op": "consumer_open", "group": "g", "topics": ["t"], "protocol": "share", "conn": {"bootstrap": "127.0.0.1:1"}})
        self.assertEqual((False, True), (got["ok"], got["unsupported"]))


class Members(unittest.TestCase):
    def test_settings_that_are_left_out_are_the_librarys(self):
        self.assertEqual({"enable_auto_commit": False}, consumer_ops.options({"slow_ms": 5}))
        self.assertEqual({"enable_auto_commit": True, "auto_commit_interval_ms": 500, "max_poll_records": 2},
                         consumer_ops.options({"auto_commit_ms": 500, "max_poll_records": 2}))


class Errors(unittest.TestCase):
    def test_library_error_keeps_name_code_and_text(self):
        got = outcome.describe_error(errors.PolicyViolationError("not here"))
        self.assertEqual(("PolicyViolationError", 44, False), (got["name"], got["code"], got["retriable"]))
        self.assertIn("not here", got["message"])

    def test_error_text_becomes_its_exception_again(self):
        for text, name in ((str(errors.PolicyViolationError("no")), "PolicyViolationError"), ("GroupIdNotFoundError", "GroupIdNotFoundError")):
            with self.assertRaises(getattr(errors, name)) as raised:
                outcome.raise_for_text(text)
            self.assertEqual(1, str(raised.exception).count(name))
        outcome.raise_for_text("OK")
        outcome.raise_for_text(None)


if __name__ == "__main__":
    unittest.main()
