package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// codec decodes the body of a frame, says what is in it, and encodes that again.
type codec func(r *Reader) (shown string, again []byte)

// goldens names, for every frame of every file in testdata/wire, what is in it.
var goldens = map[string][]struct {
	codec codec
	want  string
}{
	"connect-with-flag": {
		{connectRequest, "protocol 0 seen 0x0 timeout 10000 session 0x0 password 16 zero readOnly false"},
		{connectResponse, "protocol 0 timeout 10000 session 0x100002991830000 password dfbd98228063c82d5529b8e9c93f8a5e readOnly false"},
	},
	"connect-without-flag": {
		{connectRequest, "protocol 0 seen 0x0 timeout 10000 session 0x0 password 16 zero"},
		{connectResponse, "protocol 0 timeout 10000 session 0x100002991830001 password f2de922220afa7724a6c1f159dc89e2b"},
	},
	"connect-unknown-session": {
		{connectRequest, "protocol 0 seen 0x0 timeout 10000 session 0x1122334455667788 password 16 zero readOnly false"},
		{connectResponse, "protocol 0 timeout 0 session 0x0 password 00000000000000000000000000000000 readOnly false"},
	},
	"ping": {
		{request(nothing), "xid -2 ping"},
		{reply(nothing), "xid -2 zxid 0x2 ok"},
	},
	"create": {
		{request(createRequest(OpCreate)), `xid 1 create /g "hi" [world:anyone 31] flags 0`},
		{reply(pathBody), "xid 1 zxid 0x3 ok /g"},
	},
	"create2-ephemeral-sequential": {
		{request(createRequest(OpCreate2)), `xid 2 create2 /g/e- "" [world:anyone 31] flags 3`},
		{reply(pathBody, statBody), "xid 2 zxid 0x4 ok /g/e-0000000000 czxid 0x4 mzxid 0x4 ctime 1795315894576 mtime 1795315894576 versions 0 0 0 owner 0x100002991830000 length 0 children 0 pzxid 0x4"},
	},
	"exists-absent": {
		{request(pathWatch), "xid 3 exists /none watch true"},
		{reply(nothing), "xid 3 zxid 0x4 no node"},
	},
	"get-data": {
		{request(pathWatch), "xid 4 getData /g watch true"},
		{reply(bufferBody, statBody), `xid 4 zxid 0x4 ok "hi" czxid 0x3 mzxid 0x3 ctime 1795315894560 mtime 1795315894560 versions 0 1 0 owner 0x0 length 2 children 1 pzxid 0x4`},
	},
	"set-data-watched": {
		{request(setData), "xid 6 setData /g null version 0"},
		{reply(watcherEvent), "xid -1 zxid 0xffffffffffffffff ok NodeDataChanged state 3 /g"},
		{reply(statBody), "xid 6 zxid 0x5 ok czxid 0x3 mzxid 0x5 ctime 1795315894560 mtime 1795315894588 versions 1 1 0 owner 0x0 length 0 children 1 pzxid 0x4"},
	},
	"delete-not-empty": {
		{request(pathVersion), "xid 7 delete /g version -1"},
		{reply(nothing), "xid 7 zxid 0x6 node has children"},
	},
	"multi-failed": {
		{request(multiRequest), `xid 8 multi {check -1 /g version -1} {create -1 /g/x "" [world:anyone 31] flags 0} {delete -1 /nope version -1} end`},
		{reply(multiResults), "xid 8 zxid 0x7 ok {error 0 again 0} {error 0 again 0} {error -101 again -101} end"},
	},
	"multi-ok-reply": {
		{reply(multiResults), "xid 9 zxid 0x8 ok {check 0} {create 0 /g/x} {setData 0 czxid 0x8 mzxid 0x8 ctime 1795315894609 mtime 1795315894609 versions 1 0 0 owner 0x0 length 1 children 0 pzxid 0x8} end"},
	},
	"set-watches": {
		{request(setWatches), "xid -8 setWatches relative 0x1 data [/g] exist [] child []"},
		{reply(watcherEvent), "xid -1 zxid 0xffffffffffffffff ok NodeDataChanged state 3 /g"},
		{reply(nothing), "xid -8 zxid 0x8 ok"},
	},
	"auth-digest": {
		{request(auth), `xid -4 auth type 0 digest "bob:secret"`},
		{reply(nothing), "xid -4 zxid 0x0 ok"},
	},
	"get-acl": {
		{request(pathBody), "xid 10 getACL /g"},
		{reply(aclBody, statBody), "xid 10 zxid 0x8 ok [world:anyone 31] czxid 0x3 mzxid 0x5 ctime 1795315894560 mtime 1795315894588 versions 1 2 0 owner 0x0 length 0 children 2 pzxid 0x8"},
	},
	"sync": {
		{request(pathBody), "xid 11 sync /g"},
		{reply(pathBody), "xid 11 zxid 0x8 ok /g"},
	},
	"add-watch-recursive": {
		{request(pathMode), "xid 12 addWatch /g mode 1"},
		{reply(intBody), "xid 12 zxid 0x8 ok 0"},
	},
	"close-session": {
		{request(nothing), "xid 13 closeSession"},
		{reply(watcherEvent), "xid -1 zxid 0xffffffffffffffff ok NodeDeleted state 3 /g/e-0000000000"},
	},
	"unknown-opcode": {
		{request(nothing), "xid 1 50"},
		{reply(nothing), "xid 1 zxid 0xffffffffffffffff unimplemented"},
	},
}

func TestFramesOfZooKeeperAreReadAndWrittenByteForByte(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.hex")
	if err != nil || len(files) != len(goldens) {
		t.Fatalf("%d files and %d entries here, %v", len(files), len(goldens), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".hex")
		t.Run(name, func(t *testing.T) {
			frames := readFrames(t, file)
			if len(frames) != len(goldens[name]) {
				t.Fatalf("%d frames in the file, %d here", len(frames), len(goldens[name]))
			}
			for i, g := range goldens[name] {
				frame := frames[i]
				if n := binary.BigEndian.Uint32(frame); int(n) != len(frame)-4 {
					t.Fatalf("frame %d: length %d of %d bytes", i, n, len(frame)-4)
				}
				r := NewReader(frame[4:])
				shown, again := g.codec(&r)
				if r.Err() != nil || r.Len() != 0 {
					t.Errorf("frame %d: %v, %d bytes left", i, r.Err(), r.Len())
				}
				if shown != g.want {
					t.Errorf("frame %d:\ngot  %s\nwant %s", i, shown, g.want)
				}
				if !bytes.Equal(again, frame[4:]) {
					t.Errorf("frame %d:\nwrote %x\nread  %x", i, again, frame[4:])
				}
			}
		})
	}
}

// readFrames reads a golden file; its first line says where it was captured.
func readFrames(t *testing.T, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Captured from ") {
		t.Errorf("%s does not say where it was captured", file)
	}
	var frames [][]byte
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		frame, err := hex.DecodeString(strings.ReplaceAll(strings.TrimLeft(line, "<>"), " ", ""))
		if err != nil || len(frame) < 4 {
			t.Fatalf("%s: %q: %v", file, line, err)
		}
		frames = append(frames, frame)
	}
	return frames
}

func connectRequest(r *Reader) (string, []byte) {
	c, err := DecodeConnectRequest(r.Rest())
	if err != nil {
		r.Fail()
	}
	r.buf = nil
	shown := fmt.Sprintf("protocol %d seen %v timeout %d session %v", c.ProtocolVersion, c.LastZxidSeen, c.TimeoutMillis, c.SessionID)
	if len(bytes.Trim(c.Password, "\x00")) == 0 {
		shown += fmt.Sprintf(" password %d zero", len(c.Password))
	}
	if c.HasReadOnly {
		shown += fmt.Sprint(" readOnly ", c.ReadOnly)
	}
	return shown, c.Append(nil)
}

func connectResponse(r *Reader) (string, []byte) {
	c, err := DecodeConnectResponse(r.Rest())
	if err != nil {
		r.Fail()
	}
	r.buf = nil
	shown := fmt.Sprintf("protocol %d timeout %d session %v password %x", c.ProtocolVersion, c.TimeoutMillis, c.SessionID, c.Password)
	if c.HasReadOnly {
		shown += fmt.Sprint(" readOnly ", c.ReadOnly)
	}
	return shown, c.Append(nil)
}

// op is the operation of the request whose body is being decoded.
var op OpCode

func request(body codec) codec {
	return func(r *Reader) (string, []byte) {
		h := DecodeRequestHeader(r)
		op = h.Op
		shown, again := body(r)
		return strings.TrimSpace(fmt.Sprintf("xid %d %v %s", h.Xid, h.Op, shown)), append(AppendRequestHeader(nil, h.Xid, h.Op), again...)
	}
}

func reply(bodies ...codec) codec {
	return func(r *Reader) (string, []byte) {
		h := DecodeReplyHeader(r)
		shown, again := fmt.Sprintf("xid %d zxid %v %v", h.Xid, h.Zxid, h.Err), AppendReplyHeader(nil, h.Xid, h.Zxid, h.Err)
		for _, body := range bodies {
			s, a := body(r)
			shown, again = strings.TrimSpace(shown+" "+s), append(again, a...)
		}
		return shown, again
	}
}

func nothing(*Reader) (string, []byte) { return "", nil }

func pathBody(r *Reader) (string, []byte) {
	path := r.String()
	return path, AppendString(nil, path)
}

func bufferBody(r *Reader) (string, []byte) {
	b := r.Bytes()
	return show(b), AppendBuffer(nil, b)
}

func intBody(r *Reader) (string, []byte) {
	v := r.Int()
	return fmt.Sprint(v), AppendInt(nil, v)
}

func statBody(r *Reader) (string, []byte) {
	s := DecodeStat(r)
	return fmt.Sprintf("czxid %v mzxid %v ctime %d mtime %d versions %d %d %d owner %v length %d children %d pzxid %v",
		s.Czxid, s.Mzxid, s.Ctime, s.Mtime, s.Version, s.Cversion, s.Aversion, s.EphemeralOwner, s.DataLength, s.NumChildren, s.Pzxid), AppendStat(nil, &s)
}

func aclBody(r *Reader) (string, []byte) {
	acl := DecodeACLs(r)
	return showACL(acl), AppendACLs(nil, acl)
}

func createRequest(op OpCode) codec {
	return func(r *Reader) (string, []byte) {
		c := DecodeCreate(r, op)
		acl := plain(c.ACL)
		return fmt.Sprintf("%s %s %s flags %d", c.Path, show(c.Data), showACL(acl), c.Flags),
			AppendCreate(nil, op, string(c.Path), c.Data, acl, c.Flags, c.TTL)
	}
}

func pathWatch(r *Reader) (string, []byte) {
	p := DecodePathWatch(r)
	return fmt.Sprintf("%s watch %v", p.Path, p.Watch), AppendPathWatch(nil, string(p.Path), p.Watch)
}

func pathVersion(r *Reader) (string, []byte) {
	p := DecodePathVersion(r)
	return fmt.Sprintf("%s version %d", p.Path, p.Version), AppendPathVersion(nil, string(p.Path), p.Version)
}

func pathMode(r *Reader) (string, []byte) {
	p := DecodePathMode(r)
	return fmt.Sprintf("%s mode %d", p.Path, p.Mode), AppendPathMode(nil, string(p.Path), p.Mode)
}

func setData(r *Reader) (string, []byte) {
	s := DecodeSetData(r)
	return fmt.Sprintf("%s %s version %d", s.Path, show(s.Data), s.Version), AppendSetData(nil, string(s.Path), s.Data, s.Version)
}

func setWatches(r *Reader) (string, []byte) {
	s := DecodeSetWatches(r, op)
	return fmt.Sprintf("relative %v data %v exist %v child %v", s.RelativeZxid, s.Data, s.Exist, s.Child), s.Append(nil, op)
}

func auth(r *Reader) (string, []byte) {
	a := DecodeAuth(r)
	return fmt.Sprintf("type %d %s %q", a.Type, a.Scheme, a.Auth), AppendAuth(nil, string(a.Scheme), a.Auth)
}

func watcherEvent(r *Reader) (string, []byte) {
	e := DecodeWatcherEvent(r)
	return fmt.Sprintf("%v state %d %s", e.Type, e.State, e.Path), AppendWatcherEvent(nil, e.Type, e.Path)
}

func multiRequest(r *Reader) (string, []byte) {
	return multi(r, map[OpCode]codec{OpCheck: pathVersion, OpDelete: pathVersion, OpCreate: createRequest(OpCreate)})
}

func multiResults(r *Reader) (string, []byte) {
	return multi(r, map[OpCode]codec{
		OpCheck: nothing, OpDelete: nothing, OpCreate: pathBody, OpSetData: statBody,
		OpError: func(r *Reader) (string, []byte) {
			shown, again := intBody(r)
			return "again " + shown, again
		},
	})
}

func multi(r *Reader, bodies map[OpCode]codec) (shown string, again []byte) {
	for r.Err() == nil {
		h := DecodeMultiHeader(r)
		if h.Done {
			return shown + "end", append(again, AppendMultiEnd(nil)...)
		}
		body := bodies[h.Op]
		if body == nil {
			r.Fail()
			break
		}
		s, a := body(r)
		shown += strings.TrimSpace(fmt.Sprintf("{%v %d %s", h.Op, h.Err, s)) + "} "
		again = append(AppendMultiHeader(again, h.Op, h.Done, h.Err), a...)
	}
	return shown, again
}

func show(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}

func showACL(acl []core.ACL) string {
	var out []string
	for _, a := range acl {
		out = append(out, fmt.Sprintf("%s:%s %d", a.Scheme, a.ID, a.Perms))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// plain is a list of raw entries as the encoders take it.
func plain(raw []RawACL) []core.ACL {
	var acl []core.ACL
	for _, a := range raw {
		acl = append(acl, core.ACL{Perms: a.Perms, Scheme: string(a.Scheme), ID: string(a.ID)})
	}
	return acl
}
