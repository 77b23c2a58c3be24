package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say which bucket to use and how to reach it.
type Options struct {
	Bucket    string
	Prefix    string // of every key, without slashes at its ends; empty is the whole bucket
	Region    string // empty: as AWS tools are configured, else us-east-1 for an own endpoint
	Endpoint  string // of another server than AWS: http://host:port or https://…
	PathStyle bool   // the bucket in the path instead of the host name

	Attempts int           // of one request, at most; 0 means 6
	Stall    time.Duration // without a byte either way ends an attempt; 0 means one minute
	Pause    time.Duration // between attempts, at most; 0 means 20 seconds
}

func (o Options) withDefaults() Options {
	if o.Attempts == 0 {
		o.Attempts = 6
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	if o.Pause == 0 {
		o.Pause = 20 * time.Second
	}
	return o
}

// ParseURL reads s3://bucket/prefix?region=…&endpoint=…&path_style=…. Its errors repeat
// nothing that could be a secret.
func ParseURL(u string) (Options, error) {
	o, err := parseURL(u)
	if err != nil {
		return Options{}, fmt.Errorf("reading store URL: %w", err)
	}
	return o, nil
}

func parseURL(u string) (Options, error) {
	p, err := parse(u)
	if err != nil {
		return Options{}, err
	}
	switch {
	case p.Scheme != "s3":
		return Options{}, fmt.Errorf("scheme %q instead of s3", p.Scheme)
	case p.User != nil:
		return Options{}, errors.New("credentials do not belong in a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile")
	case p.Host == "" || p.Opaque != "":
		return Options{}, errors.New("no bucket, as in s3://bucket/prefix")
	case p.Port() != "":
		return Options{}, errors.New("a bucket has no port; name another server by ?endpoint=http://host:port")
	case p.Fragment != "":
		return Options{}, errors.New("it has a #; write it as %23")
	}
	o := Options{Bucket: p.Host, Prefix: strings.Trim(p.Path, "/")}
	if o.Prefix != "" && !fs.ValidPath(o.Prefix) {
		return Options{}, fmt.Errorf("%q is not a prefix", o.Prefix)
	}
	query, err := url.ParseQuery(p.RawQuery)
	if err != nil {
		return Options{}, errors.New("its options after ? are malformed")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return Options{}, fmt.Errorf("option %s is given twice", name)
		}
		if err := o.set(name, query.Get(name)); err != nil {
			return Options{}, err
		}
	}
	return o, nil
}

func (o *Options) set(name, value string) error {
	switch name {
	case "region":
		o.Region = value
	case "endpoint":
		o.Endpoint = value
		return checkEndpoint(value)
	case "path_style":
		b, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("path_style is true or false")
		}
		o.PathStyle = b
	default:
		return fmt.Errorf("unknown option %q, there are region, endpoint and path_style", name)
	}
	return nil
}

func checkEndpoint(endpoint string) error {
	p, err := parse(endpoint)
	switch {
	case err != nil:
		return fmt.Errorf("endpoint: %w", err)
	case p.User != nil:
		return errors.New("credentials do not belong in an endpoint")
	case p.Scheme != "http" && p.Scheme != "https" || p.Host == "":
		return errors.New("endpoint is http://host:port or https://host:port")
	case p.RawQuery != "" || p.Fragment != "":
		return errors.New("endpoint takes no ? and no #")
	}
	return nil
}

// parse is url.Parse with an error that does not repeat the URL.
func parse(u string) (*url.URL, error) {
	p, err := url.Parse(u)
	if err != nil {
		return nil, errors.New("it is malformed")
	}
	return p, nil
}
