package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Fingerprint is a stable hash of rule, cluster and those fields of the subject
// that the rule folds by: 16 hex digits, the same in every process and version.
func Fingerprint(rule, cluster string, s *Subject, by Fields) string {
	b := make([]byte, 0, 256)
	add := func(f Fields, text string) {
		if by&f == 0 {
			text = ""
		}
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(append(b, ':'), text...)
	}
	partition := ""
	if s.Partition != nil {
		partition = strconv.Itoa(int(*s.Partition))
	}
	const always = ^Fields(0)
	by |= 1 << 15 // so that the two below always count
	for _, part := range [...]struct {
		field Fields
		text  string
	}{
		{always, rule}, {always, cluster},
		{FieldTopic, s.Topic}, {FieldPartition, partition},
		{FieldGroup, s.Group}, {FieldMember, s.Member},
		{FieldClientID, s.ClientID}, {FieldPrincipal, s.Principal},
		{FieldTransactionalID, s.TransactionalID},
	} {
		add(part.field, part.text)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
