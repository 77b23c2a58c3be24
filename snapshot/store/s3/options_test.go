package s3_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/store/s3"
)

func TestURLsAreRead(t *testing.T) {
	for u, want := range map[string]s3.Options{
		"s3://bucket":                {Bucket: "bucket"},
		"s3://bucket/":               {Bucket: "bucket"},
		"s3://bucket/prefix/more/":   {Bucket: "bucket", Prefix: "prefix/more"},
		"s3://my_bucket.x/a%20b":     {Bucket: "my_bucket.x", Prefix: "a b"},
		"s3://b3/p?region=eu-west-1": {Bucket: "b3", Prefix: "p", Region: "eu-west-1"},
		"s3://b3?endpoint=http%3A%2F%2F127.0.0.1%3A9000&path_style=true": {Bucket: "b3", Endpoint: "http://127.0.0.1:9000", PathStyle: true},
		"s3://b3?endpoint=https://s3.example.com/base":                   {Bucket: "b3", Endpoint: "https://s3.example.com/base"},
	} {
		got, err := s3.ParseURL(u)
		if err != nil {
			t.Errorf("%s: %v", u, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", u, diff)
		}
	}
}

func TestBadURLsAreRefused(t *testing.T) {
	for u, want := range map[string]string{
		"":                                            "scheme",
		"file:///x":                                   "instead of s3",
		"s3:///prefix":                                "no bucket",
		"s3:bucket":                                   "no bucket",
		"s3://key:hunter2@bucket/x":                   "credentials do not belong",
		"s3://bucket:9000/x":                          "?endpoint=",
		"s3://bucket/a#b":                             "%23",
		"s3://bucket/a/../b":                          "not a prefix",
		"s3://bucket//a//b":                           "not a prefix",
		"s3://bucket?regoin=x":                        `unknown option "regoin", there are region, endpoint and path_style`,
		"s3://bucket?secret=hunter2":                  "there are region, endpoint and path_style",
		"s3://bucket?region=a&region=b":               "given twice",
		"s3://bucket?path_style=perhaps":              "true or false",
		"s3://bucket?endpoint=localhost:9000":         "endpoint is http",
		"s3://bucket?endpoint=ftp://x":                "endpoint is http",
		"s3://bucket?endpoint=http://k:hunter2@x":     "do not belong",
		"s3://bucket?endpoint=http://x?token=hunter2": "no ?",
		"s3://bucket?region=%zz":                      "malformed",
		"s3://hunter2\x7f":                            "malformed",
	} {
		_, err := s3.ParseURL(u)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", u, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error repeats a secret: %v", u, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3://bucket/prefix?region=r&endpoint=http://x&path_style=1")
	f.Fuzz(func(t *testing.T, u string) {
		o, err := s3.ParseURL(u)
		if err == nil && (o.Bucket == "" || strings.HasPrefix(o.Prefix, "/") || strings.Contains(o.Prefix, "..") && strings.Contains("/"+o.Prefix+"/", "/../")) {
			t.Errorf("%q gives %+v", u, o)
		}
	})
}
