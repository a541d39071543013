"""A test suite as somebody has it: of a service that keeps profiles of users on a compacted topic. It knows nothing of warder.

Its serializer writes null for a user without an address, which nobody meant and no test here looks for.
"""

import json
import os
import unittest

from kafka import KafkaProducer


def serialize(user):
    return json.dumps(user).encode() if user.get("address") else None


class Profiles(unittest.TestCase):
    def setUp(self):
        self.producer = KafkaProducer(
            bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], client_id="profile-tests",
            linger_ms=200, key_serializer=str.encode, value_serializer=serialize)

    def tearDown(self):
        self.producer.close()

    def save(self, *users):
        sent = [self.producer.send(os.environ["PROFILE_TOPIC"], key=user["id"], value=user) for user in users]
        self.producer.flush()
        return [result.get(timeout=30) for result in sent]

    def test_saves_users(self):
        self.assertEqual(3, len(self.save({"id": "ada", "address": "1"}, {"id": "bob", "address": "2"}, {"id": "cy", "address": "3"})))

    def test_user_moves_out(self):
        self.assertEqual(3, len(self.save({"id": "eve", "address": "4"}, {"id": "eve", "address": "5"}, {"id": "eve"})))
