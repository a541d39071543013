package builtin

import (
	"fmt"

	"warder/rules"
)

// reportStanding tells of readers that stand still, and behind whom if the cluster
// has said it.
func (t *transactionStall) reportStanding(w *rules.Watch, partition int32, s *standing, behind *rules.OpenTransaction) {
	stands := s.seen.Sub(s.since)
	s.told = max(s.told, rules.Warning)
	if stands >= heldFor+t.Grace { // whatever its timeout is, the coordinator should have aborted it
		s.told = rules.Critical
	}
	s.subject = rules.Subject{Topic: w.Key, Partition: new(partition)}
	where := fmt.Sprintf("%s-%d", topicNamed(w.Key), partition)
	r := rules.Report{
		Subject: s.subject, OwnSubject: true, Severity: s.told, Aspect: standingAspect(w.Key, partition),
		Summary: fmt.Sprintf("readers of %s with isolation.level=read_committed have stood still at offset %d for %s, %d behind the end: a transaction is open there whose producer was not seen through warder",
			where, s.stable, timeSpan(stands), s.end-s.stable),
		Evidence: rules.Evidence{
			{Name: "last_stable_offset", Value: s.stable},
			{Name: "behind", Value: s.end - s.stable},
			{Name: "standing_for", Value: timeSpan(stands)},
			{Name: "reader", Value: clientNamed(s.reader.ClientID)},
		},
		Advice: "Find it with kafka-transactions.sh --bootstrap-server … find-hanging, and abort it there; with upstream.lookup warder asks the cluster whose it is.",
	}
	if behind != nil {
		r.Summary = fmt.Sprintf("readers of %s with isolation.level=read_committed have stood still at offset %d for %s, %d behind the end: producer id %d (epoch %d), not seen through warder, has had a transaction open there since that offset%s",
			where, s.stable, timeSpan(stands), s.end-s.stable, behind.ProducerID, behind.ProducerEpoch, lastWrote(w, behind))
		r.Evidence = append(r.Evidence,
			rules.Fact{Name: "producer_id", Value: behind.ProducerID}, rules.Fact{Name: "producer_epoch", Value: behind.ProducerEpoch},
			rules.Fact{Name: "start_offset", Value: behind.StartOffset})
		if !behind.LastWrite.IsZero() {
			r.Evidence = append(r.Evidence, rules.Fact{Name: "last_write_ago", Value: timeSpan(w.Now.Sub(behind.LastWrite))})
		}
		r.Advice = fmt.Sprintf("kafka-transactions.sh --bootstrap-server … list shows the transactional.id of producer %d, if its coordinator still knows of it: a producer that starts with that id aborts the transaction. If it is not listed it hangs, and nothing ends it but kafka-transactions.sh --bootstrap-server … abort --topic %s --partition %d --start-offset %d",
			behind.ProducerID, topicNamed(w.Key), partition, behind.StartOffset)
	}
	w.Report(r)
}

func lastWrote(w *rules.Watch, behind *rules.OpenTransaction) string {
	if behind.LastWrite.IsZero() {
		return ""
	}
	return ", and wrote there last " + timeSpan(w.Now.Sub(behind.LastWrite)) + " ago"
}

// standingAspect tells partitions apart: they have no transactional id to fold by.
func standingAspect(topic string, partition int32) string {
	return fmt.Sprintf("%s-%d", topic, partition)
}

func standingOver(w *rules.Watch, s *standing, why string) rules.Report {
	return rules.Report{
		Subject: s.subject, OwnSubject: true, Severity: s.told, Resolved: true, Aspect: standingAspect(w.Key, *s.subject.Partition),
		Summary:  fmt.Sprintf("readers of %s-%d stand still at offset %d no more: %s", topicNamed(w.Key), *s.subject.Partition, s.stable, why),
		Evidence: rules.Evidence{{Name: "standing_for", Value: timeSpan(s.seen.Sub(s.since))}},
	}
}
