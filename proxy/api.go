package proxy

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/proxy/tap"
)

// handler is what one API's file does with its requests and answers. An API
// without an entry passes unread in both directions.
type handler struct {
	// onRequest decides a request: it must forward, substitute or answer it, or
	// return why the connection ends. nil forwards it unread.
	onRequest func(s *session, rq *request) error
	// onAnswer is given to the exchange of a request that was forwarded unread.
	onAnswer func(s *session, ex *exchange, a *answer) error
}

// handlers is indexed by API key. The handlers of one API live in its api_ file.
// It is filled by init because handlers reach back to the loops that use it.
var handlers [numAPIs]handler

func init() {
	handlers = [numAPIs]handler{
		protocol.Produce:                 {onRequest: onProduce},
		protocol.Fetch:                   {onRequest: onFetch},
		protocol.Metadata:                {onRequest: onMetadata},
		protocol.FindCoordinator:         {onAnswer: onEndpoints},
		protocol.ListOffsets:             {onRequest: follows(listedKinds, kmsg.NewPtrListOffsetsRequest(), kmsg.NewPtrListOffsetsResponse(), nil, onOffsetsListed)},
		protocol.OffsetCommit:            {onRequest: follows(commitKinds, kmsg.NewPtrOffsetCommitRequest(), kmsg.NewPtrOffsetCommitResponse(), nil, onCommitted)},
		protocol.OffsetFetch:             {onRequest: follows(fetchedKinds, kmsg.NewPtrOffsetFetchRequest(), kmsg.NewPtrOffsetFetchResponse(), nil, onOffsetsFetched)},
		protocol.JoinGroup:               {onRequest: onJoinGroup},
		protocol.Heartbeat:               {onRequest: follows(memberKinds, kmsg.NewPtrHeartbeatRequest(), kmsg.NewPtrHeartbeatResponse(), nil, onHeartbeat)},
		protocol.LeaveGroup:              {onRequest: follows(memberKinds, kmsg.NewPtrLeaveGroupRequest(), kmsg.NewPtrLeaveGroupResponse(), nil, onLeft)},
		protocol.SyncGroup:               {onRequest: follows(memberKinds, kmsg.NewPtrSyncGroupRequest(), kmsg.NewPtrSyncGroupResponse(), nil, onSynced)},
		protocol.TxnOffsetCommit:         {onRequest: follows(commitKinds, kmsg.NewPtrTxnOffsetCommitRequest(), kmsg.NewPtrTxnOffsetCommitResponse(), nil, onTxnCommitted)},
		protocol.DeleteGroups:            {onRequest: follows(deletedKinds, kmsg.NewPtrDeleteGroupsRequest(), kmsg.NewPtrDeleteGroupsResponse(), nil, onGroupsDeleted)},
		protocol.OffsetDelete:            {onRequest: follows(deletedKinds, kmsg.NewPtrOffsetDeleteRequest(), kmsg.NewPtrOffsetDeleteResponse(), nil, onOffsetsDeleted)},
		protocol.ConsumerGroupHeartbeat:  {onRequest: follows(consumerGroupKinds, kmsg.NewPtrConsumerGroupHeartbeatRequest(), kmsg.NewPtrConsumerGroupHeartbeatResponse(), noteConsumerSubscription, onConsumerHeartbeat)},
		protocol.SaslHandshake:           {onRequest: onSaslHandshake},
		protocol.ApiVersions:             {onRequest: onApiVersions},
		protocol.CreateTopics:            {onRequest: onCreateTopics},
		protocol.DeleteTopics:            {onRequest: onDeleteTopics},
		protocol.DeleteRecords:           {onRequest: onDeleteRecords},
		protocol.InitProducerId:          {onRequest: onInitProducerID},
		protocol.AddPartitionsToTxn:      {onRequest: onAddPartitionsToTxn},
		protocol.AddOffsetsToTxn:         {onRequest: onAddOffsetsToTxn},
		protocol.EndTxn:                  {onRequest: onEndTxn},
		protocol.AlterConfigs:            {onRequest: onAlterConfigs},
		protocol.CreatePartitions:        {onRequest: onCreatePartitions},
		protocol.SaslAuthenticate:        {onRequest: onSaslAuthenticate},
		protocol.IncrementalAlterConfigs: {onRequest: onIncrementalAlterConfigs},
		protocol.DescribeCluster:         {onAnswer: onEndpoints},
		protocol.ShareGroupHeartbeat:     {onRequest: follows(consumerGroupKinds, kmsg.NewPtrShareGroupHeartbeatRequest(), kmsg.NewPtrShareGroupHeartbeatResponse(), noteShareSubscription, onShareHeartbeat)},
		protocol.ShareFetch:              {onRequest: onShareFetch},
		protocol.ShareAcknowledge:        {onRequest: onShareAcknowledge},
		protocol.StreamsGroupHeartbeat:   {onRequest: follows(consumerGroupKinds, kmsg.NewPtrStreamsGroupHeartbeatRequest(), kmsg.NewPtrStreamsGroupHeartbeatResponse(), noteStreamsSubscription, onStreamsHeartbeat)},
		protocol.AlterShareGroupOffsets:  {onRequest: follows(shareOffsetKinds, kmsg.NewPtrAlterShareGroupOffsetsRequest(), kmsg.NewPtrAlterShareGroupOffsetsResponse(), nil, onShareOffsetsAltered)},
		protocol.DeleteShareGroupOffsets: {onRequest: follows(shareOffsetKinds, kmsg.NewPtrDeleteShareGroupOffsetsRequest(), kmsg.NewPtrDeleteShareGroupOffsetsResponse(), nil, onShareOffsetsDeleted)},

		protocol.DescribeShareGroupOffsets: {onRequest: follows(shareOffsetKinds, kmsg.NewPtrDescribeShareGroupOffsetsRequest(), kmsg.NewPtrDescribeShareGroupOffsetsResponse(), nil, onShareOffsetsDescribed)},
	}
}

func handlerOf(key int16) *handler { return &handlers[apiIndex(key)] }

// how an exchange ended, for complete.
type outcome uint8

const (
	outcomeBroker outcome = iota // the broker answered
	outcomeLocal                 // warder answered
	outcomeNone                  // nobody answers (acks=0)
	outcomeClosed                // the connection ended before
)

// tapOutcome notes what the tap shows as the outcome; the first word stays.
func (ex *exchange) tapOutcome(outcome string) {
	if ex.tap != nil && ex.tap.Outcome == "" {
		ex.tap.Outcome = outcome
	}
}

// tapDenied notes which rules refused the request.
func (ex *exchange) tapDenied(rules []string) {
	if ex.tap != nil {
		ex.tap.Rules = rules
	}
	ex.tapOutcome(tap.OutcomeDenied)
}

// complete counts an exchange that is over, and shows it to the tap and the audit trail.
func (s *session) complete(ex *exchange, answerBytes int, how outcome) {
	var latency time.Duration
	if how == outcomeBroker {
		latency = s.out.readAt.Sub(ex.readAt)
		s.srv.metrics.api(ex.key).upstreamLatency.Observe(latency.Seconds())
	}
	x := ex.tap
	if x == nil {
		return
	}
	id := s.identity.Load()
	x.Time, x.Session, x.Listener, x.Remote = ex.readAt, s.id, s.listener.name, s.remote.String()
	x.ClientID, x.Software, x.NodeID = id.ClientID, id.Software(), s.node
	x.Principal, x.TLSSubject = id.Principal, id.TLSSubject
	x.API, x.Key, x.Version, x.CorrelationID = protocol.APIName(ex.key), ex.key, ex.version, ex.correlationID
	x.RequestBytes, x.ResponseBytes, x.Latency = ex.requestBytes, answerBytes, latency
	if x.Outcome == "" {
		x.Outcome = [...]string{outcomeBroker: tap.OutcomeOK, outcomeLocal: tap.OutcomeLocal, outcomeNone: tap.OutcomeNoAnswer, outcomeClosed: tap.OutcomeClosed}[how]
	}
	s.srv.tap.Publish(x)
	if ex.audited > 0 {
		s.srv.audit.Exchange(x, ex.audited)
	}
}

// unansweredEnd shows the requests that a session has left without an answer: those
// that are open, and the last one if it went nowhere. Both loops have ended.
func (s *session) unansweredEnd() {
	last := s.exchange(&s.request, nil)
	for _, ex := range append(s.inflight.shown(), last) {
		if ex.tap != nil && ex.tap.API == "" { // else it has been shown
			s.complete(ex, 0, outcomeClosed)
		}
	}
}
