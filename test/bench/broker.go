package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions that the sink speaks: those of a Java client of 4.1 or newer with a broker as new.
const (
	produceVersion = 13
	fetchVersion   = 17
	logDirsVersion = 4
	commitVersion  = 9
)

// spoken are the APIs that the sink answers.
var spoken = map[int16]int16{0: produceVersion, 1: fetchVersion, 3: 12, 8: commitVersion, 18: 3, 32: 4, 35: logDirsVersion}

// topic is what the sink has. Nobody creates any.
type topic struct {
	name       string
	id         [16]byte
	compacted  bool
	partitions int32
	answer     *fetchAnswer // what Fetch gets
}

// broker is the sink: it answers from bytes made beforehand and looks at no record. It listens on as many addresses as it is asked to, so that
// the connections of one target never use up the ports of another.
type broker struct {
	topics    []*topic
	logDirs   []byte // the body of every answer to DescribeLogDirs
	listeners []net.Listener
	running   sync.WaitGroup
}

// listen opens one more address.
func (b *broker) listen() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	b.listeners = append(b.listeners, l)
	b.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			b.running.Go(func() { b.serve(conn) })
		}
	})
	return l.Addr().String(), nil
}

// close stops listening and waits for the connections, which the targets' ends have ended.
func (b *broker) close() {
	for _, l := range b.listeners {
		l.Close()
	}
	b.running.Wait()
}

// Buffers of the sink begin small, since there may be 5,000, and grow to what there is to read.
const (
	firstBuffer = 4 << 10
	mostBuffer  = 256 << 10
)

// written is a partition that is written to.
type written struct {
	topic     [16]byte
	partition int32
}

// served is one connection of the sink.
type served struct {
	*broker
	conn    net.Conn
	host    string
	port    int32
	buf     []byte
	n       int // bytes in buf
	out     []byte
	produce produceAnswer
	offsets map[written]int64 // of the partitions that are written to
	fetches map[*topic]*fetchAnswer
}

func (b *broker) serve(conn net.Conn) {
	defer conn.Close()
	abortive(conn)
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	s := &served{
		broker: b, conn: conn, host: local.IP.String(), port: int32(local.Port), buf: make([]byte, firstBuffer),
		produce: newProduceAnswer(), offsets: map[written]int64{}, fetches: map[*topic]*fetchAnswer{},
	}
	for {
		if err := s.turn(); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !reset(err) {
				report("the sink: %v", err)
			}
			return
		}
	}
}

// abortive makes a closed connection leave nothing behind: thousands in TIME_WAIT would use up the ports of the machine.
func abortive(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // then ports last a minute longer
	}
}

// turn reads once, and answers all requests that are complete in one write.
func (s *served) turn() error {
	if s.n == len(s.buf) && len(s.buf) < mostBuffer {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.conn.Read(s.buf[s.n:])
	if n == 0 {
		return err
	}
	s.n += n
	at := 0
	for s.n-at >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(s.buf[at:]))
		if size > mostBuffer {
			return fmt.Errorf("a request of %d bytes is larger than the loads send", size)
		}
		if size > s.n-at {
			break
		}
		if err := s.answer(s.buf[at : at+size]); err != nil {
			return err
		}
		at += size
	}
	s.n = copy(s.buf, s.buf[at:s.n])
	if len(s.out) == 0 {
		return nil
	}
	_, err = s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

func (s *served) answer(frame []byte) error {
	if len(frame) < 12 {
		return io.ErrUnexpectedEOF
	}
	key, version := int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))
	correlation := frame[8:12]
	switch {
	case key == 0 && version == produceVersion:
		return s.answerProduce(frame, correlation)
	case key == 1 && version == fetchVersion:
		return s.answerFetch(frame, correlation)
	case key == 35 && version == logDirsVersion:
		s.respond(correlation, true, s.logDirs)
		return nil
	}
	return s.answerRare(key, version, frame, correlation)
}

// respond appends an answer; tags says that its header has them.
func (s *served) respond(correlation []byte, tags bool, body []byte) {
	size := 4 + len(body)
	if tags {
		size++
	}
	s.out = binary.BigEndian.AppendUint32(s.out, uint32(size))
	s.out = append(s.out, correlation...)
	if tags {
		s.out = append(s.out, 0)
	}
	s.out = append(s.out, body...)
}

func (s *served) answerProduce(frame, correlation []byte) error {
	at, err := findPartition(frame)
	if err != nil {
		return err
	}
	partition := int32(binary.BigEndian.Uint32(frame[at:]))
	_, width := binary.Uvarint(frame[at+4:])
	count := at + 4 + width + 57 // recordsCount in the header of a batch
	if width <= 0 || count+4 > len(frame) {
		return errors.New("a Produce request without a batch")
	}
	of := written{[16]byte(frame[at-17:]), partition}
	s.produce.set(of.topic[:], partition, s.offsets[of])
	s.offsets[of] += int64(binary.BigEndian.Uint32(frame[count:]))
	s.respond(correlation, true, s.produce.body)
	return nil
}

// findPartition gives where the first partition's index stands in a Produce request, which the loads send
// without transactional id.
func findPartition(frame []byte) (int, error) {
	at := 12
	at += 2 + int(int16(binary.BigEndian.Uint16(frame[at:]))) // client id
	at += 1 + 1 + 2 + 4 + 1 + 16 + 1                          // tags, transactional id, acks, timeout, topics, topic id, partitions
	if at+4 > len(frame) {
		return 0, io.ErrUnexpectedEOF
	}
	return at, nil
}

func (s *served) answerFetch(frame, correlation []byte) error {
	for _, t := range s.topics {
		if t.answer == nil || !bytes.Contains(frame, t.id[:]) {
			continue
		}
		a := s.fetches[t]
		if a == nil {
			a = t.answer.clone()
			s.fetches[t] = a
		}
		s.respond(correlation, true, a.body)
		a.advance()
		return nil
	}
	return errors.New("a Fetch of no topic that has records")
}

// answerRare answers what comes once a connection, or in a load that need not be fast.
func (s *served) answerRare(key, version int16, frame, correlation []byte) error {
	if _, ok := spoken[key]; !ok {
		return fmt.Errorf("a request of API %d, which the sink does not offer", key)
	}
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	body := frame[12+2+max(0, int(int16(binary.BigEndian.Uint16(frame[12:])))):]
	if req.IsFlexible() {
		body = body[1:]
	}
	if err := req.ReadFrom(body); err != nil {
		return fmt.Errorf("%s version %d: %w", kmsg.NameForKey(key), version, err)
	}
	var resp kmsg.Response
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		resp = s.versions(req)
	case *kmsg.MetadataRequest:
		resp = s.metadata(req)
	case *kmsg.DescribeConfigsRequest:
		resp = s.configs(req)
	case *kmsg.OffsetCommitRequest:
		resp = committed(req)
	default:
		return fmt.Errorf("%s version %d is not spoken by the sink", kmsg.NameForKey(key), version)
	}
	s.respond(correlation, key != 18 && resp.IsFlexible(), resp.AppendTo(nil))
	return nil
}

func (s *served) versions(req *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = req.Version
	if req.Version > spoken[18] {
		resp.Version, resp.ErrorCode = 0, 35 // UNSUPPORTED_VERSION
	}
	for key := range kmsg.MaxKey + 1 {
		if most, ok := spoken[int16(key)]; ok {
			row := kmsg.NewApiVersionsResponseApiKey()
			row.ApiKey, row.MaxVersion = int16(key), most
			resp.ApiKeys = append(resp.ApiKeys, row)
		}
	}
	return resp
}

func (s *served) metadata(req *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = req.Version
	resp.ClusterID, resp.ControllerID = new("bench"), 1
	node := kmsg.NewMetadataResponseBroker()
	node.NodeID, node.Host, node.Port = 1, s.host, s.port
	resp.Brokers = append(resp.Brokers, node)
	for _, t := range s.topics {
		if req.Topics != nil && !asked(req.Topics, t) {
			continue
		}
		row := kmsg.NewMetadataResponseTopic()
		row.Topic, row.TopicID = &t.name, t.id
		for p := range t.partitions {
			part := kmsg.NewMetadataResponseTopicPartition()
			part.Partition, part.Leader, part.Replicas, part.ISR = p, 1, []int32{1}, []int32{1}
			row.Partitions = append(row.Partitions, part)
		}
		resp.Topics = append(resp.Topics, row)
	}
	return resp
}

func asked(topics []kmsg.MetadataRequestTopic, t *topic) bool {
	for _, a := range topics {
		if a.TopicID == t.id || a.Topic != nil && *a.Topic == t.name {
			return true
		}
	}
	return false
}

func committed(req *kmsg.OffsetCommitRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = req.Version
	for _, t := range req.Topics {
		row := kmsg.NewOffsetCommitResponseTopic()
		row.Topic = t.Topic
		for _, p := range t.Partitions {
			part := kmsg.NewOffsetCommitResponseTopicPartition()
			part.Partition = p.Partition
			row.Partitions = append(row.Partitions, part)
		}
		resp.Topics = append(resp.Topics, row)
	}
	return resp
}

func (s *served) configs(req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	resp.Version = req.Version
	for _, want := range req.Resources {
		row := kmsg.NewDescribeConfigsResponseResource()
		row.ResourceType, row.ResourceName = want.ResourceType, want.ResourceName
		for _, t := range s.topics {
			if want.ResourceType == kmsg.ConfigResourceTypeTopic && t.name == want.ResourceName {
				policy := kmsg.NewDescribeConfigsResponseResourceConfig()
				policy.Name, policy.Value = "cleanup.policy", new("delete")
				if t.compacted {
					policy.Value = new("compact")
				}
				row.Configs = append(row.Configs, policy)
			}
		}
		resp.Resources = append(resp.Resources, row)
	}
	return resp
}
