package tree

import (
	"encoding/binary"
	"hash/crc32"
)

// The processor's own instructions take a CRC from crcMin bytes on, in units of
// crcUnit; what is shorter or left over costs more than all the rest.
const (
	crcMin  = 64
	crcUnit = 16
)

// crcCopyMax is the size up to which data is copied to where its path is.
const crcCopyMax = 1 << 10

// crcOf is the CRC-32 of path and data.
func (t *Tree) crcOf(path string, data []byte) uint32 {
	size := len(path)
	if len(data) <= crcCopyMax {
		size += len(data)
	}
	lead := max(crcMin-size, -size&(crcUnit-1))
	b := append(t.crc[:0], make([]byte, lead)...)
	b = append(b, path...)
	if len(data) <= crcCopyMax {
		b, data = append(b, data...), nil
	}
	t.crc = b
	return crc32.Update(continueCRC(0, b, lead), crc32.IEEETable, data)
}

// continueCRC is what the CRC-32 crc becomes over buf[lead:]. The bytes before
// must be zero; those behind are written over.
//
// Zeroes leave a register of zero as it is, and what the register holds may as
// well be in the first bytes of the input. So zeroes before the input can bring it
// to a length that is fast.
func continueCRC(crc uint32, buf []byte, lead int) uint32 {
	in := buf[lead:]
	if len(in) < 4 {
		return crc32.Update(crc, crc32.IEEETable, in)
	}
	binary.LittleEndian.PutUint32(in, binary.LittleEndian.Uint32(in)^^crc)
	return crc32.Update(^uint32(0), crc32.IEEETable, buf)
}
