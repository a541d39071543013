// Package admin is warder's HTTP interface: health, metrics, what was found, who is connected, live traffic, reload,
// and one plain page.
//
// It shows what [Source] tells and changes nothing by itself; the only mutation is POST /api/v1/reload. Who may ask is
// decided in auth.go: on loopback anyone on the machine, guarded against browsers that were led here (Host and Origin
// checks); elsewhere only who bears the token of the token file, except for the bare status of /healthz and /readyz.
//
// Connections ([MaxConnections]), streams ([MaxStreams]), request sizes and the time of every read and write are bounded.
// JSON names are snake_case and stable; an unknown query parameter is an error, as an unknown key in the
// configuration is.
package admin
