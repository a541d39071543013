package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"slices"
	"strings"

	"warder/configs"
	"warder/rules"
	"warder/rules/state"
)

// What groups had committed is kept in a file beside the state file. That one is
// small, written when a broker appears, and clients cannot do without it; this one is
// some megabytes with a hundred thousand partitions, written every minute, and warder
// can do without it: neither may cost the other.

// groupsVersion is raised when the form of the file changes; another version is not
// read.
const groupsVersion = 1

// groupFile is the file of groups, in lines of JSON: a head, then each group.
type groupFile struct {
	path    string       // "": nothing is kept
	written uint64       // hash of the groups in it; owned by who saves
	seed    maphash.Seed // of that
	brokers []configs.Address
}

// groupsHead is the first line.
type groupsHead struct {
	Version int `json:"version"`
	// Bootstrap is upstream.bootstrap: the groups of another cluster are others.
	Bootstrap []configs.Address `json:"bootstrap"`
	Groups    int               `json:"groups"`
}

func newGroupFile(c *configs.Config) *groupFile {
	f := &groupFile{seed: maphash.MakeSeed(), brokers: c.Upstream.Bootstrap}
	if c.StateFile != "" {
		f.path = string(c.StateFile) + ".groups"
	}
	return f
}

// read gives the groups of the file, all or none of them.
func (f *groupFile) read() ([]state.SavedGroup, error) {
	if f.path == "" {
		return nil, nil
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := json.NewDecoder(file)
	var head groupsHead
	if err := lines.Decode(&head); err != nil {
		return nil, err
	}
	switch {
	case head.Version != groupsVersion:
		return nil, errors.New("written by another version of warder")
	case !slices.ContainsFunc(head.Bootstrap, func(a configs.Address) bool { return slices.Contains(f.brokers, a) }):
		return nil, errors.New("written for other brokers than those of upstream.bootstrap")
	}
	var groups []state.SavedGroup
	for range head.Groups {
		var g state.SavedGroup
		if err := lines.Decode(&g); err != nil {
			return nil, fmt.Errorf("group %d of %d: %w", len(groups)+1, head.Groups, err)
		}
		if !g.Sound() {
			return nil, fmt.Errorf("group %d of %d makes no sense", len(groups)+1, head.Groups)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// write replaces the file, unless it holds the same already.
func (f *groupFile) write(groups []*state.SavedGroup) error {
	slices.SortFunc(groups, func(a, b *state.SavedGroup) int { return strings.Compare(a.Group, b.Group) })
	var buf bytes.Buffer
	lines := json.NewEncoder(&buf)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(groupsHead{groupsVersion, f.brokers, len(groups)}); err != nil {
		return err
	}
	for _, g := range groups {
		if err := lines.Encode(g); err != nil {
			return err
		}
	}
	sum := maphash.Bytes(f.seed, buf.Bytes())
	if sum == f.written {
		return nil
	}
	if err := replaceFile(f.path, buf.Bytes()); err != nil {
		return err
	}
	f.written = sum
	return nil
}

// restoreGroups gives the engine the groups that warder knew when it ended.
func (s *Server) restoreGroups() error {
	if s.groups == nil {
		return nil
	}
	saved, err := s.groupFile.read()
	now := s.now()
	for i := range saved {
		if g := s.groups.Restore(&saved[i], now); g != nil {
			s.engine.Restore(rules.ByGroup, g.ID, g, now)
		}
	}
	return err
}

// errGroupsBusy says that the file stays as it is: half of the groups are no state to
// start from.
var errGroupsBusy = errors.New("the rules have more events to follow than they can just now, so not all groups could be asked")

// saveGroups writes down what is known of groups. Their shards are held up for as
// long as it takes to copy it.
func (s *Server) saveGroups() error {
	if s.groups == nil || s.groupFile.path == "" {
		return nil
	}
	var groups []*state.SavedGroup
	all := s.engine.ViewAll(rules.ByGroup, func(_ string, m rules.ModelState) {
		if g, ok := m.(*state.Group); ok {
			if saved := g.Save(); saved != nil {
				groups = append(groups, saved)
			}
		}
	})
	if !all {
		return errGroupsBusy
	}
	return s.groupFile.write(groups)
}
