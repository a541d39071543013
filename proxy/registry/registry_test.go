package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/configs"
	"warder/rules"
)

// server is a registry of pages.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[string]string // path -> status, a space and the body
	asked []string          // path, and user:password if any
	bare  int               // requests without deleted=true
}

func serve(t *testing.T, pages map[string]string) *server {
	t.Helper()
	s := &server{pages: pages}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		asked := r.URL.Path
		if user, password, ok := r.BasicAuth(); ok {
			asked += " " + user + ":" + password
		}
		s.asked = append(s.asked, asked)
		if r.URL.Query().Get("deleted") != "true" {
			s.bare++
		}
		var status int
		page, ok := s.pages[r.URL.Path]
		if !ok {
			page = "404 <html>nothing here</html>"
		}
		if _, err := fmt.Sscan(page, &status); err != nil {
			t.Error(err)
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(page[4:]))
	}))
	t.Cleanup(s.Close)
	return s
}

// bench is a Registry without a goroutine, in virtual time.
type bench struct {
	*Registry
	now    time.Time
	said   []string
	waited time.Duration
}

func newBench(t *testing.T, c configs.SchemaRegistry) *bench {
	t.Helper()
	b := &bench{now: time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)}
	b.Registry = New(Options{
		Config: &c,
		Answer: func(ev rules.Event) {
			e := ev.(rules.SchemaSubjects)
			b.said = append(b.said, fmt.Sprint(e.ID, " ", e.Topic, " ", e.Known, " ", e.Subjects))
		},
		Failed: func(err error) { b.said = append(b.said, fmt.Sprint("failed: ", err)) },
		Now:    func() time.Time { return b.now },
		Wait: func(_ context.Context, d time.Duration) {
			b.now, b.waited = b.now.Add(d), b.waited+d
		},
	})
	return b
}

// asks answers what was asked.
func (b *bench) asks(t *testing.T, ids ...int32) []string {
	t.Helper()
	b.said = nil
	for _, id := range ids {
		b.answer(t.Context(), rules.SubjectsOfSchema{ID: id, Topic: "orders"})
	}
	return b.said
}

func check(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const notFound = `404 {"error_code":40403,"message":"Schema 9 not found"}`

func TestSubjectsOfSchemas(t *testing.T) {
	s := serve(t, map[string]string{
		"/api/schemas/ids/7/versions": `200 [{"subject":"orders-value","version":2},{"subject":"audit-value","version":1},{"subject":"orders-value","version":1}]`,
		"/api/schemas/ids/9/versions": notFound,
		"/api/schemas/ids/8/subjects": `200 ["payments-value"]`,
		"/api/schemas/ids/5/versions": `200 []`,
		"/api/schemas/ids/6/versions": `200 [{"subject":":.staging:orders-value","version":1},{"subject":"orders-value","version":1},{"subject":":.odd","version":1}]`,
	})
	b := newBench(t, configs.SchemaRegistry{URL: s.URL + "/api/"})
	check(t, "answers", b.asks(t, 7, 9, 8, 7, 9), []string{
		"7 orders true [audit-value orders-value]", "9 orders true []", "8 orders true [payments-value]",
		"7 orders true [audit-value orders-value]", "9 orders true []",
	})
	check(t, "requests", s.asked, []string{
		"/api/schemas/ids/7/versions", "/api/schemas/ids/9/versions", "/api/schemas/ids/8/versions", "/api/schemas/ids/8/subjects",
	})
	if s.bare > 0 {
		t.Errorf("%d requests leave out what is soft-deleted", s.bare)
	}
	if b.waited != 2*pause {
		t.Errorf("waited %v between three questions", b.waited)
	}
	// Nothing that these credentials may see, and subjects of several contexts.
	check(t, "answers of few words", b.asks(t, 5, 6), []string{"5 orders false []", "6 orders true [:.odd orders-value]"})
	s.asked = nil
	b.now = b.now.Add(unknownFor)
	b.asks(t, 7, 9)
	check(t, "requests a minute later", s.asked, []string{"/api/schemas/ids/9/versions"})
	s.asked = nil
	b.now = b.now.Add(knownFor)
	b.asks(t, 7)
	check(t, "requests an hour later", s.asked, []string{"/api/schemas/ids/7/versions"})
}

func TestFailuresAreToldOnceAndRestedAfter(t *testing.T) {
	s := serve(t, map[string]string{"/schemas/ids/7/versions": "500 "})
	b := newBench(t, configs.SchemaRegistry{URL: s.URL})
	check(t, "answers", b.asks(t, 7, 7, 8), []string{
		"failed: GET /schemas/ids/7/versions?deleted=true: 500 Internal Server Error", "7 orders false []", "7 orders false []", "8 orders false []",
	})
	b.now = b.now.Add(rest)
	check(t, "answers later", b.asks(t, 7), []string{"7 orders false []"})
	if len(s.asked) != 2 {
		t.Errorf("asked %q", s.asked)
	}
	s.pages["/schemas/ids/7/versions"] = `200 [{"subject":"orders-value"}]`
	b.now = b.now.Add(rest)
	check(t, "answers in the end", b.asks(t, 7), []string{"failed: <nil>", "7 orders true [orders-value]"})
}

func TestWhatIsNoRegistry(t *testing.T) {
	s := serve(t, map[string]string{
		"/schemas/ids/1/versions": "200 <html>", "/schemas/ids/2/versions": "302 ", "/schemas/ids/3/versions": "401 ",
		"/elsewhere": `200 []`, "/schemas/ids/5/versions": "200 " + strings.Repeat(" ", answerBytes) + "[]",
	})
	for id, want := range map[int32]string{
		1: "not the answer of a registry", 2: "302 Found", 3: "401 Unauthorized", 4: "is the URL that of the API?", 5: "not the answer of a registry",
	} {
		b := newBench(t, configs.SchemaRegistry{URL: s.URL})
		if said := b.asks(t, id); len(said) != 2 || !strings.Contains(said[0], want) || !strings.HasSuffix(said[1], "false []") {
			t.Errorf("%d: %q, want %q", id, said, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pw")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret")
	s := serve(t, map[string]string{"/schemas/ids/7/versions": "200 []", "/schemas/ids/8/versions": "403 "})
	b := newBench(t, configs.SchemaRegistry{URL: s.URL, Username: "warder", PasswordFile: configs.Path(file)})
	b.asks(t, 7)
	write("changed")
	said := b.asks(t, 8)
	check(t, "requests", s.asked, []string{"/schemas/ids/7/versions warder:secret", "/schemas/ids/8/versions warder:changed"})
	if strings.Contains(strings.Join(said, ""), "changed") || len(said) != 2 {
		t.Errorf("said %q", said)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(rest)
	if said := b.asks(t, 9); len(said) != 1 || len(s.asked) != 2 {
		t.Errorf("without the file: %q, asked %q", said, s.asked)
	}
}

func TestManySubjectsAreCut(t *testing.T) {
	var all []string
	for i := range 50 {
		all = append(all, fmt.Sprintf(`{"subject":"s-%02d"}`, i))
	}
	s := serve(t, map[string]string{"/schemas/ids/7/versions": "200 [" + strings.Join(all, ",") + "]"})
	b := newBench(t, configs.SchemaRegistry{URL: s.URL})
	if said := b.asks(t, 7); !strings.HasSuffix(said[0], "s-19]") {
		t.Errorf("%q", said)
	}
}

func TestRunAnswersEverything(t *testing.T) {
	s := serve(t, map[string]string{"/schemas/ids/7/versions": `200 [{"subject":"orders-value"}]`})
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan rules.SchemaSubjects, queued+1)
	r := New(Options{Config: &configs.SchemaRegistry{URL: s.URL}, Answer: func(ev rules.Event) { answers <- ev.(rules.SchemaSubjects) }})
	var ended sync.WaitGroup
	ended.Go(func() { r.Run(ctx) })
	if !r.Ask(rules.SubjectsOfSchema{ID: 7, Topic: "orders"}) {
		t.Fatal("turned down")
	}
	if a := <-answers; !a.Known || a.Subjects[0] != "orders-value" || a.Topic != "orders" {
		t.Errorf("%+v", a)
	}
	cancel()
	ended.Wait()
	taken := 0
	for r.Ask(rules.SubjectsOfSchema{ID: 8}) {
		taken++
	}
	if taken != queued {
		t.Errorf("%d questions wait", taken)
	}
	r.Run(ctx)
	for range taken {
		if a := <-answers; a.Known && a.ID == 8 {
			t.Errorf("%+v", a)
		}
	}
}
