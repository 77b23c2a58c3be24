package shamir

import "testing"

// The field is checked against tables made another way: powers of the generator 3, as AES has them.
func TestTheFieldIsThatOfAES(t *testing.T) {
	var exp [255]byte
	log := map[byte]int{}
	a := byte(1)
	for i := range exp {
		exp[i], log[a] = a, i
		doubled := a << 1
		if a&0x80 != 0 {
			doubled ^= 0x1b
		}
		a ^= doubled
	}
	if len(log) != 255 {
		t.Fatalf("the generator has order %d", len(log))
	}
	for a := range 256 {
		for b := range 256 {
			want := byte(0)
			if a != 0 && b != 0 {
				want = exp[(log[byte(a)]+log[byte(b)])%255]
			}
			if got := mul(byte(a), byte(b)); got != want {
				t.Fatalf("%#x * %#x = %#x, want %#x", a, b, got, want)
			}
		}
		want := byte(0)
		if a != 0 {
			want = exp[(255-log[byte(a)])%255]
		}
		if got := inverse(byte(a)); got != want {
			t.Fatalf("1/%#x = %#x, want %#x", a, got, want)
		}
	}
}
