package builtin

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLikeness(t *testing.T) {
	for _, tt := range []struct {
		a, b  string
		want  likeness
		slips int
	}{
		{"orders", "Orders", alikeButPunctuation, 0},
		{"user-events", "user_events", alikeButPunctuation, 0},
		{"user.events", "userEvents", alikeButPunctuation, 0},
		{"orders", "order", alikeVariant, 0},
		{"orders", "orders-v2", alikeVariant, 0},
		{"orders.v1", "orders_V12", alikeVariant, 0},
		{"orders", "orders.dev", alikeVariant, 0},
		{"prod.orders", "staging-orders-v3", alikeVariant, 0},
		{"orders", "ordres", alikeSpelling, 1},
		{"orders", "oders", alikeSpelling, 1},
		{"orders", "orderrs", alikeSpelling, 1},
		{"orders", "orderz", alikeSpelling, 1},
		{"payments", "paymnets-v2", alikeSpelling, 1},
		{"customer-invoices", "custmer-invocies", alikeSpelling, 2},
		{"reservations", "resevratoins", alikeSpelling, 2},

		{"orders", "orders", unlike, 0},
		{"orders", "payments", unlike, 0},
		{"orders-1", "orders-2", unlike, 0}, // a family
		{"orders", "orders-1", unlike, 0},   // its head
		{"events20260101", "events20260102", unlike, 0},
		{"shard-a", "shard-b", unlike, 0}, // codes
		{"prices-eu", "prices-us", unlike, 0},
		{"orders-in", "orders-out", unlike, 0},
		{"jobs-import", "jobs-export", unlike, 0}, // two slips at one spot
		{"rows-insert", "rows-upsert", unlike, 0},
		{"valid-orders", "invalid-orders", unlike, 0},
		{"foo", "fop", unlike, 0},          // the words are too short for slips
		{"temp", "etpm", unlike, 0},        // two slips in a short name
		{"stock", "tsokc", unlike, 0},      // in five letters
		{"orders-eu", "orders", unlike, 0}, // another word
		{"v1", "v2", unlike, 0},
		{"dev", "prod", unlike, 0},
		{"", "a", unlike, 0},
	} {
		for range 2 {
			f, g := newTopicForm(tt.a), newTopicForm(tt.b)
			if how, slips := f.compare(&g); how != tt.want || slips != tt.slips {
				t.Errorf("%s and %s: %v, %d slips", tt.a, tt.b, how, slips)
			}
			tt.a, tt.b = tt.b, tt.a
		}
	}
}

// fullDistance is the textbook's table.
func fullDistance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

func TestTypingDistanceIsThatOfTheTextbook(t *testing.T) {
	word := rapid.StringMatching(`[abc]{0,7}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		want, got := fullDistance(a, b), typingDistance(a, b, 2)
		if got != want && (got <= 2 || want <= 2) {
			t.Fatalf("%q and %q: %d, want %d", a, b, got, want)
		}
	})
}

// Names come from clients and may hold anything.
func TestAnyNameHasAForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		f, g := newTopicForm(a), newTopicForm(b)
		one, n := f.compare(&g)
		two, m := g.compare(&f)
		if one != two || n != m {
			t.Fatalf("%q and %q: %v %d one way, %v %d the other", a, b, one, n, two, m)
		}
	})
}
