package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"warder/rules/state"
)

// stateVersion is raised when the file's form changes; another version is not read.
const stateVersion = 1

// stateFile remembers over a restart what clients rely on (which port is which
// broker) and what rules would otherwise have to learn anew. It is written as a
// whole beside the old one and renamed, so a crash leaves one or the other.
type stateFile struct{ path string }

// savedState is the content of the state file.
type savedState struct {
	Version   int                         `json:"version"`
	ClusterID string                      `json:"cluster_id,omitempty"`
	Brokers   []BrokerInfo                `json:"brokers"`
	Ports     map[string]map[int32]uint16 `json:"ports"` // listener name to node id to port
	Topics    []state.Topic               `json:"topics,omitempty"`
}

func (f *stateFile) read() (*savedState, error) {
	if f.path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var st savedState
	if err := json.Unmarshal(data, &st); err != nil {
		return nil, err
	}
	if st.Version != stateVersion {
		return nil, errors.New("written by another version of warder")
	}
	return &st, nil
}

func (f *stateFile) write(st *savedState) error {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return replaceFile(f.path, data)
}

// replaceFile writes a file beside the one of that name and renames it.
func replaceFile(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func (s *Server) restore() error {
	st, err := s.stateFile.read()
	if st == nil || err != nil {
		return err
	}
	s.topology.restore(st.ClusterID, st.Brokers)
	for _, l := range s.listeners {
		l.restore(st.Ports[l.name])
	}
	s.topics.Import(st.Topics)
	return nil
}

// save writes the state file when one is configured.
func (s *Server) save() error {
	if s.stateFile.path == "" {
		return nil
	}
	st := &savedState{
		Version: stateVersion, ClusterID: s.topology.cluster(), Brokers: s.topology.all(),
		Ports: make(map[string]map[int32]uint16), Topics: s.topics.Export(),
	}
	for _, l := range s.listeners {
		st.Ports[l.name] = l.remembered()
	}
	return s.stateFile.write(st)
}

const (
	// saveDelay gathers changes that come together, as at start-up.
	saveDelay = time.Second
	// saveGroupsEvery is how much of what groups did a crash may lose.
	saveGroupsEvery = time.Minute
)

// saveState writes the state file a moment after something in it changed, and that of
// groups now and then.
func (s *Server) saveState(ctx context.Context) {
	groups := time.NewTicker(saveGroupsEvery)
	defer groups.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-groups.C:
			s.cannotWrite(s.groupFile.path, s.saveGroups())
			continue
		case <-s.dirty:
		}
		timer := time.NewTimer(saveDelay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		s.cannotWrite(s.stateFile.path, s.save())
	}
}

func (s *Server) cannotWrite(path string, err error) {
	if err != nil {
		s.log.Error().Err(err).Str("state_file", path).Msg("cannot write the state file")
	}
}
