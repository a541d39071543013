package main

import (
	"context"
	"errors"
	"log"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"warder/test/e2e/clients/godriver"
)

// member is a group member that consumes in the background.
type member struct {
	*godriver.Member
	group      string
	hangAt     map[string]int64
	marks      bool // what it received, to be committed by sarama itself
	consumer   sarama.ConsumerGroup
	cancel     context.CancelFunc
	background sync.WaitGroup

	mu      sync.Mutex
	session sarama.ConsumerGroupSession // nil between generations
}

var members = godriver.Handles[*member]{Prefix: "c"}

var consumerOperations = map[string]godriver.Operation{
	"consume": consume, "consumer_open": consumerOpen,
	"consumer_state":  onMember(func(m *member) (any, error) { return m.State(), nil }),
	"consumer_take":   onMember(func(m *member) (any, error) { return m.Take(), nil }),
	"consumer_commit": onMember((*member).commit),
	"consumer_slow": func(r *godriver.Request) (any, error) {
		m, err := members.Get(r.Handle)
		if err != nil {
			return nil, err
		}
		m.Slow(godriver.Millis(r.SlowMs, 0))
		return nil, nil
	},
	"consumer_close": func(r *godriver.Request) (any, error) {
		m, err := members.Take(r.Handle)
		if err != nil {
			return nil, err
		}
		return godriver.Within(limit, r.Op, func() (any, error) { return nil, m.close() })
	},
}

func onMember(operation func(*member) (any, error)) godriver.Operation {
	return func(r *godriver.Request) (any, error) {
		m, err := members.Get(r.Handle)
		if err != nil {
			return nil, err
		}
		return godriver.Within(limit, r.Op, func() (any, error) { return operation(m) })
	}
}

// strategies by the name of the assignor.
var strategies = map[string]func() sarama.BalanceStrategy{
	"range": sarama.NewBalanceStrategyRange, "roundrobin": sarama.NewBalanceStrategyRoundRobin, "sticky": sarama.NewBalanceStrategySticky,
}

func consumerOpen(r *godriver.Request) (any, error) {
	switch r.Protocol {
	case "consumer":
		return nil, godriver.Unsupported("sarama has no KIP-848 consumer")
	case "share":
		return nil, godriver.Unsupported("sarama has no share consumer")
	}
	config, err := configure(&r.Conn)
	if err != nil {
		return nil, err
	}
	session := godriver.Millis(r.SessionTimeoutMs, 10000)
	c := &config.Consumer
	c.IsolationLevel, c.Return.Errors = isolation(r), true
	c.Offsets.AutoCommit.Enable, c.Offsets.Initial = r.AutoCommitMs > 0, sarama.OffsetOldest
	c.Offsets.AutoCommit.Interval = godriver.Millis(r.AutoCommitMs, 1000)
	if r.OffsetReset == "latest" {
		c.Offsets.Initial = sarama.OffsetNewest
	}
	c.Fetch.Min = int32(godriver.Or(r.FetchMinBytes, 1))
	c.Group.Session.Timeout = session
	c.Group.Heartbeat.Interval = godriver.Millis(r.HeartbeatIntervalMs, int(min(3*time.Second, session/3).Milliseconds()))
	c.Group.InstanceId = r.GroupInstanceID
	if strategy := strategies[r.Assignor]; strategy != nil {
		c.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
	}
	consumer, err := sarama.NewConsumerGroup(r.Conn.Brokers(), r.Group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{Member: godriver.NewMember(), group: r.Group, hangAt: r.HangAt, marks: r.AutoCommitMs > 0, consumer: consumer, cancel: cancel}
	m.Slow(godriver.Millis(r.SlowMs, 0))
	m.background.Add(2)
	go m.logErrors()
	go m.consume(ctx, r.Topics)
	return members.Add(m), nil
}

// logErrors: what comes here sarama goes on after; a fatal error ends Consume.
func (m *member) logErrors() {
	defer m.background.Done()
	for err := range m.consumer.Errors() {
		log.Printf("group %s: %v", m.group, err)
	}
}

// consume joins again after each generation, as sarama wants it of its caller.
func (m *member) consume(ctx context.Context, topics []string) {
	defer m.background.Done()
	for ctx.Err() == nil {
		err := m.consumer.Consume(ctx, topics, m)
		if errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return
		}
		if err != nil && ctx.Err() == nil {
			log.Printf("group %s: consuming ended: %v", m.group, err)
			var k sarama.KError
			if errors.As(err, &k) || errors.As(err, new(sarama.ConfigurationError)) {
				m.Fail(describe(err))
			}
			select {
			case <-ctx.Done():
			case <-time.After(250 * time.Millisecond):
			}
		}
	}
}

func (m *member) setSession(s sarama.ConsumerGroupSession) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = s
}

func (m *member) currentSession() sarama.ConsumerGroupSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session
}

// Setup, Cleanup and ConsumeClaim make it a sarama.ConsumerGroupHandler.
func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.setSession(s)
	m.Assign(s.Claims())
	return nil
}

func (m *member) Cleanup(s sarama.ConsumerGroupSession) error {
	m.setSession(nil)
	m.Revoke(s.Claims())
	return nil
}

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			if at, hangs := m.hangAt[godriver.PartitionName(message.Topic, message.Partition)]; hangs && at == message.Offset {
				<-s.Context().Done()
				return nil
			}
			m.Work()
			m.Receive(fromSarama(message))
			if m.marks {
				s.MarkMessage(message, "")
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

// commit: sarama tells commit errors only to its log.
func (m *member) commit() (any, error) {
	positions, session := m.Positions(), m.currentSession()
	if session == nil {
		return nil, errors.New("the member is in no generation of its group")
	}
	for name, at := range positions {
		topic, partition, err := godriver.SplitPartition(name)
		if err != nil {
			return nil, err
		}
		session.MarkOffset(topic, partition, at, "")
	}
	session.Commit()
	return map[string]any{"offsets": positions}, nil
}

func (m *member) metadata() *sarama.ConsumerGroupMetadata {
	s := m.currentSession()
	if s == nil {
		return nil
	}
	return &sarama.ConsumerGroupMetadata{GroupID: m.group, GenerationID: s.GenerationID(), MemberID: s.MemberID()}
}

// close leaves the group.
func (m *member) close() error {
	m.cancel()
	m.Slow(0)
	err := m.consumer.Close()
	m.background.Wait()
	return err
}
