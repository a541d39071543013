package proxy

import (
	"time"

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
		protocol.Fetch:                   {onAnswer: onFetchAnswer},
		protocol.Metadata:                {onAnswer: onMetadataAnswer},
		protocol.FindCoordinator:         {onAnswer: onEndpoints},
		protocol.SaslHandshake:           {onRequest: onSaslHandshake},
		protocol.ApiVersions:             {onRequest: onApiVersions},
		protocol.CreateTopics:            {onRequest: onCreateTopics},
		protocol.DeleteTopics:            {onRequest: onDeleteTopics},
		protocol.InitProducerId:          {onRequest: onInitProducerID},
		protocol.EndTxn:                  {onRequest: onEndTxn},
		protocol.AlterConfigs:            {onRequest: onAlterConfigs},
		protocol.SaslAuthenticate:        {onRequest: onSaslAuthenticate},
		protocol.IncrementalAlterConfigs: {onRequest: onIncrementalAlterConfigs},
		protocol.DescribeCluster:         {onAnswer: onEndpoints},
		protocol.ShareFetch:              {onAnswer: onEndpoints},
		protocol.ShareAcknowledge:        {onAnswer: onEndpoints},
	}
}

func handlerOf(key int16) *handler { return &handlers[apiIndex(key)] }

// tapDetail is what the API's file adds to the tap's line of an exchange.
type tapDetail struct {
	acks       *int16
	partitions []tap.Partition
	more       int
	outcome    string // "" means OutcomeOK
}

func (d *tapDetail) add(p tap.Partition) {
	if len(d.partitions) >= tap.MaxPartitions {
		d.more++
		return
	}
	d.partitions = append(d.partitions, p)
}

// how an exchange ended, for complete.
type outcome uint8

const (
	outcomeBroker outcome = iota // the broker answered
	outcomeLocal                 // warder answered
	outcomeNone                  // nobody answers (acks=0)
)

// complete counts an exchange that has its answer and shows it to the tap.
func (s *session) complete(ex *exchange, answerBytes int, how outcome) {
	var latency time.Duration
	if how == outcomeBroker {
		latency = s.out.readAt.Sub(ex.readAt)
		s.srv.metrics.api(ex.key).upstreamLatency.Observe(latency.Seconds())
	}
	if !ex.tapped {
		return
	}
	id := s.identity.Load()
	x := &tap.Exchange{
		Time: ex.readAt, Session: s.id, Listener: s.listener.name, Remote: s.remote.String(),
		ClientID: id.ClientID, Software: id.SoftwareName, NodeID: s.node, Key: ex.key, Version: ex.version,
		CorrelationID: ex.correlationID, RequestBytes: ex.requestBytes, ResponseBytes: answerBytes, Latency: latency,
		Acks: ex.tap.acks, Partitions: ex.tap.partitions, More: ex.tap.more, Outcome: ex.tap.outcome, API: protocol.APIName(ex.key),
	}
	if id.SoftwareVersion != "" {
		x.Software += " " + id.SoftwareVersion
	}
	if x.Outcome == "" {
		x.Outcome = [...]string{outcomeBroker: tap.OutcomeOK, outcomeLocal: tap.OutcomeLocal, outcomeNone: tap.OutcomeNoAnswer}[how]
	}
	s.srv.tap.Publish(x)
}
