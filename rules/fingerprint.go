package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Fingerprint is a stable hash of rule, cluster and those fields of the subject
// that the rule folds by: 16 hex digits, the same in every process and version.
func Fingerprint(rule, cluster string, s *Subject, by Fields) string {
	partition := ""
	if s.Partition != nil {
		partition = strconv.Itoa(int(*s.Partition))
	}
	b := appendPart(make([]byte, 0, 256), rule)
	b = appendPart(b, cluster)
	for i, text := range [...]string{
		s.Topic, partition, s.Group, s.Member, s.ClientID, s.Principal, s.TransactionalID,
	} {
		if by&(1<<i) == 0 {
			text = ""
		}
		b = appendPart(b, text)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// appendPart appends text with its length in front, so that no two lists of
// parts look alike.
func appendPart(b []byte, text string) []byte {
	b = strconv.AppendInt(b, int64(len(text)), 10)
	return append(append(b, ':'), text...)
}
