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

func (f *stateFile) write(st *savedState) (err error) {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
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
	return os.Rename(tmp.Name(), f.path)
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

// saveDelay gathers changes that come together, as at start-up.
const saveDelay = time.Second

// saveState writes the state file a moment after something in it changed.
func (s *Server) saveState(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
		}
		timer := time.NewTimer(saveDelay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := s.save(); err != nil {
			s.log.Error().Err(err).Str("state_file", s.stateFile.path).Msg("cannot write the state file")
		}
	}
}
