package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	answerTimeout = 10 * time.Second
	maxAnswer     = 64 << 20 // bytes of one answer
)

// adminClient asks a running warder.
type adminClient struct {
	address   string
	tokenFile string
	http      *http.Client
}

// adminFlags adds the flags that say which warder to ask.
func (a *app) adminFlags(c *cobra.Command) *adminClient {
	client := &adminClient{http: &http.Client{Transport: &http.Transport{
		ResponseHeaderTimeout: answerTimeout,
		DialContext:           (&net.Dialer{Timeout: answerTimeout}).DialContext,
	}}}
	c.Flags().StringVar(&client.address, "admin", a.variable("WARDER_ADMIN", "127.0.0.1:9644"), "admin address of the running warder ($WARDER_ADMIN)")
	c.Flags().StringVar(&client.tokenFile, "token-file", a.variable("WARDER_TOKEN_FILE", ""), "file with its token ($WARDER_TOKEN_FILE)")
	return client
}

// get asks for a path, in which names are escaped, and leaves the body open.
func (c *adminClient) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "http", Host: c.address, Path: plain, RawPath: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, usageError("--admin %s is not an address", c.address)
	}
	if c.tokenFile != "" {
		token, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, usageError("--token-file: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, c.refused(resp)
}

// unreachable words the error of a request that got no answer.
func (c *adminClient) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("no warder answers on %s: %w\nIs it running there? Its admin address is given with --admin or WARDER_ADMIN", c.address, err)
}

// refused words an answer that is not a success.
func (c *adminClient) refused(resp *http.Response) error {
	var body struct {
		Error string `json:"error"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&body)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the warder on %s wants its token: give the file that holds it with --token-file or WARDER_TOKEN_FILE", c.address)
	case resp.StatusCode == http.StatusBadRequest && body.Error != "":
		return usageError("%s", body.Error)
	case body.Error != "":
		return fmt.Errorf("%s (%s)", body.Error, resp.Status)
	default:
		return fmt.Errorf("%s answered %s: is that a warder's admin address?", c.address, resp.Status)
	}
}

// getJSON asks for a path and decodes the answer.
func (c *adminClient) getJSON(ctx context.Context, path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	body, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("what %s answered is not understood; is it a warder of this version? (%w)", c.address, err)
	}
	return nil
}
