// Package ruletest runs the cases of a rule: text files that say what clients
// do, what becomes of it, and what is found, in virtual time.
//
// A case is a txtar archive:
//
//	What the case shows, for people.
//	-- config --
//	rules:
//	  tombstone: {action: block}
//	-- topics --
//	users compact
//	orders delete 6     (partitions; else 12)
//	-- readers --
//	orders: billing audit     (what the cluster answers to WhoReads; else nobody can say)
//	-- schemas --
//	7: orders-value     (what the registry answers to SubjectsOfSchema; else nobody can say)
//	-- transactions --
//	payments/3: 4711/2@100 5s     (what its leader answers to OpenTransactions: producer id and epoch, the first offset, and when
//	                               it wrote last, since the beginning; else nobody can say)
//	-- traffic --
//	profile-svc produces users/3: k1=one k2=null
//	  => users/3 refused POLICY_VIOLATION, records 1
//	-- findings --
//	0s tombstone critical block ...
//	-- advice --
//	Look for a serializer …     (each advice that was given, once; where the section is left out none is compared)
//
// Traffic is one thing a line:
//
//	client shop id=shop-1 software=apache-kafka-java/4.1.0 principal=User:shop remote=10.0.0.1:5000
//	shop produces users/3: k1=one k2=null k3=@big k4=null{x-allow-delete:yes}
//	  and users/4: k5=five
//	shop produces (acks=0 codec=lz4 version=9 txn=T pid=7/0 seq=5) users/3: k1=null
//	shop commits T pid=7/0
//	shop aborts T pid=7/0
//	shop initialises T pid=7/1 timeout=60s    (InitProducerId answered; also error=90, and resumed for KIP-360)
//	shop fails T: 47 orders/3                 (a Produce in transactions of T refused with that error)
//	shop fails T: 90 EndTxn                   (or another request of the transaction)
//	shop reconnects
//	shop produces orders/1: k{1..50}=v{#}     (50 records)
//	shop produces orders by java: k{1..50}=v  (one request, split over partitions as that partitioner does; or: by turns)
//	shop produces orders/1: long:{1..9}=v     (keys of eight bytes)
//	shop produces (times=60) orders/1: k=v    (60 requests, one right after the other)
//	shop saw orders: 12 partitions            (in Metadata; before its first request for a topic a client sees it by itself)
//	admin adds partitions orders: 12 16       (before and after)
//	shop asks orderz: 3 auto-create           (Metadata answered with that error)
//	shop asks orderz                          (Metadata answered; the topic appears if it is new)
//	shop lists orders                         (came up in a listing of the cluster)
//	admin creates orders-v2                   (partitions as in the topics section)
//	admin deletes orders
//	admin alters users: delete compact        (cleanup.policy before and after)
//	admin asks to alter users: cleanup.policy=compact retention.ms    (judged, and not yet done)
//	billing subscribes g: orders payments     (or: subscribes g: /pattern/)
//	billing reads orders: 1000                (bytes fetched; 0 when the topic is silent)
//	billing fetches orders/3: k1=one k2=null  (a batch on its way to a consumer, as produces;
//	                                           its first offset as `billing fetches (base=50) …`)
//	billing polls orders/3: offset=10 end=500 (how far it is; also stable, start, bytes, error)
//	c1 joining g: topics=orders assignor=range session=45s poll=5m instance=pod-1 why it joins again
//	c1 joins g: members=c1,c2                 (the coordinator's answer; the first member leads. The next generation
//	                                          begins with the first answer of a moment; else generation=3, error=79)
//	c1 syncs g: orders/0 orders/1
//	c1 beats g 27                             (Heartbeat, answered with an error or none)
//	c1 heartbeats g: epoch=0 answered=3 interval=5s poll=5m topics=orders orders/0     (KIP-848)
//	c1 heartbeats in share g: epoch=0 answered=1 orders/0                              (KIP-932; from then on c1 heartbeats g: will do)
//	c1 heartbeats in streams g: epoch=0 answered=1 poll=5m topics=orders orders/0      (KIP-1071)
//	c1 acquires g: orders/0=50-59 times=2     (ShareFetch: records that were given to somebody twice now)
//	c1 releases g: orders/0=50                (acknowledged; also accepts, rejects, renews)
//	c1 leaves g: consumer poll timeout has expired.
//	c1 loses g                                (the connection to the coordinator)
//	c1 commits offsets of g: orders/0=120
//	c1 adds offsets to T: of g orders/0=120   (TxnOffsetCommit; they count when T is committed)
//	admin sets g: orders/0-11=0               (offsets, for no member; partitions 0 to 11, as may stand wherever offsets do)
//	admin forgets g: orders/0                 (OffsetDelete; DeleteGroups without partitions)
//	c1 resumes g: orders/0=120 orders/1=-1    (OffsetFetch)
//	c1 looks g: orders/0 latest 500           (ListOffsets)
//	c1 gets g: orders/0 at=120 bytes=1000 end=500 start=0 stable=480 error=1     (Fetch of a member)
//	c1 idles g                                (a Fetch without news)
//	c1 dies g                                 (it ends without a word; its next process is member c1-2)
//	c1 keeps beating g every 3s               (while time passes; also: keeps polling g, stops beating g)
//	c{1..3} beats g                           (a line for each; {#} is the number. members=c{1..3} is a list)
//	shop answered 120 in-flight=1 took=4ms    (so many Produce requests; also throttled=10 throttle=2s)
//	billing served 100 size=300 empty=10      (so many Fetch requests; also min=1 wait=500ms partitions=6)
//	job connects times=20 lives=300ms requests=5 metadata=1      (without lives they stay; also coordinator, versions, by-broker)
//	job uses requests=20 metadata=20          (a connection that is there; also lives=10m, when it ends)
//	log orders/0 end=500 start=20             (as traffic of others shows)
//	warder asks g: state=Stable members=2 every=30s orders/0=120    (what the cluster answers to warder itself: all offsets
//	                                          of the group; type=simple for consumers that choose their own)
//	group g has session=20s                   (what the cluster says of the configuration of a group by KIP-848)
//	warder stalls 20s                         (warder itself stands still)
//	warder restarts 20s                       (it ends, and starts so much later with its state file)
//	repeat 20 every 1s                        (lines up to end; {n} is the round, {n*10+5} is reckoned with it)
//	end
//	wait 30s
//	topic users is compact,delete     (or: unknown, deleted)
//	reload other-config               (a section of the archive)
//
// A client that was not declared has its own name as client id and is a Java
// client. A record is key=value and may carry {header:value}; null is null,
// "" is empty, @name is the text of a section, 0x00ff stands for bytes. After each `produces` stands
// what becomes of it, one line for each sentence:
//
//	=> allowed
//	=> TOPIC/P refused CODE, records I J
//	=> TOPIC/P says: the message of the error
//	=> connection closed     (or: dropped, for acks=0)
//
// After `fetches` stands nothing, since nobody can refuse what is fetched; every
// batch is looked into, as with `inspect: {fetch_records: all}`.
//
// What clients ask to change is judged as well. `asks to` goes on with one of
//
//	create TOPIC: ENTRIES
//	delete TOPIC
//	alter TOPIC: ENTRIES
//	grow TOPIC: PARTITIONS
//	purge TOPIC: 0=120 1-3=-1         (DeleteRecords: partitions, and before which offset; -1 is the end)
//	drop GROUP                        (DeleteGroups)
//	forget GROUP: TOPIC/0 TOPIC/1     (OffsetDelete, of one topic)
//	set GROUP: TOPIC/0=120            (OffsetCommit for no member, of one topic)
//
// and options in parentheses behind the verb: validate-only, replaces (AlterConfigs).
// An entry is name=value, name+=value or name-=value for lists, or a name alone, back
// to the default. A line that begins with `and` adds another topic, and behind it
// stands
//
//	=> allowed
//	=> TOPIC refused POLICY_VIOLATION
//	=> TOPIC refused together     (because of another one of the request)
//	=> TOPIC says: the message of the error
//
// or GROUP in its place. What the cluster says of a topic's retention.ms and the like
// stands behind its line, orders delete 6 retention.ms=3600000, and is not known where
// there is none.
//
// A case runs the rule that its folder is named after, and those that its
// configuration names.
//
// Findings and advice are compared as text; `go test -run Case -update` writes them.
//
// Every case in which somebody produces runs once for each codec and form of
// request, unless its traffic chooses one: what a rule thinks must not depend on how
// records travel. Rules
// are given copies that are overwritten after each call, so one that keeps a
// view fails its own case.
package ruletest
