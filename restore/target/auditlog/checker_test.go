package auditlog

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
	"holdfast/snapshot/source/auditlog/auditlogtest"
)

func TestWholeLogPassesTheCheck(t *testing.T) {
	d, _ := sample(t)
	if _, err := restore.Run(t.Context(), d, restore.Discard{Checker: Checker{}}); err != nil {
		t.Fatal(err)
	}
}

func TestDumpThatIsNotWhatWasCountedFailsTheCheck(t *testing.T) {
	for name, spoil := range map[string]func(d *auditlogtest.Recorder, log *auditlogtest.Recorded){
		"a line less":   func(_ *auditlogtest.Recorder, log *auditlogtest.Recorded) { cutLine(log) },
		"another actor": func(_ *auditlogtest.Recorder, log *auditlogtest.Recorded) { swap(log, "userpass-ada", "userpass-eve") },
		"another outcome": func(_ *auditlogtest.Recorder, log *auditlogtest.Recorded) {
			swap(log, `"type":"response"`, `"type":"request" `)
		},
		"another name in the list": func(d *auditlogtest.Recorder, log *auditlogtest.Recorded) {
			swap(d.Part(auditlog.IndexStream), log.Info.Name, "log/other")
		},
		"a file less in the list": func(d *auditlogtest.Recorder, _ *auditlogtest.Recorded) {
			index := d.Part(auditlog.IndexStream)
			text := index.String()
			end := strings.Index(text, "},")
			index.Reset()
			index.WriteString(text[:strings.Index(text, "[")+1] + text[end+2:])
		},
		"no list at all": func(d *auditlogtest.Recorder, _ *auditlogtest.Recorded) { d.Part(auditlog.IndexStream).Truncate(10) },
		"facts of the sum": func(d *auditlogtest.Recorder, _ *auditlogtest.Recorded) {
			info := &d.Part(auditlog.IndexStream).Info
			info.Facts = bytes.Replace(info.Facts, []byte(`"requests":600`), []byte(`"requests":601`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, f := sample(t)
			spoil(d, stream(t, d, f["audit.log.1"]))
			if _, err := (Checker{}).Check(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestReadErrorIsNoDamage(t *testing.T) {
	d, _ := sample(t)
	cause := errors.New("the store went away")
	d.Wrap = breakAt(5000, cause)
	if _, err := (Checker{}).Check(t.Context(), d); !errors.Is(err, cause) || errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("Check: %v", err)
	}
}

func cutLine(log *auditlogtest.Recorded) {
	log.Truncate(bytes.LastIndexByte(log.Bytes()[:log.Len()-1], '\n') + 1)
}

func swap(log *auditlogtest.Recorded, from, to string) {
	text := strings.Replace(log.String(), from, to, 1)
	log.Reset()
	log.WriteString(text)
}
