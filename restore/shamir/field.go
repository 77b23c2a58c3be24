package shamir

// mul multiplies in GF(256) modulo x^8 + x^4 + x^3 + x + 1: eight times shift and add, with masks in
// the place of branches.
func mul(a, b byte) byte {
	var product byte
	for range 8 {
		product ^= a & -(b & 1)
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return product
}

// inverse returns 1/a, which is a^254, and 0 for 0.
func inverse(a byte) byte {
	result := byte(1)
	for range 7 { // 254 is 2 + 4 + ... + 128
		a = mul(a, a)
		result = mul(result, a)
	}
	return result
}
