package sigma

import (
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// decimal is a number exactly as it was written: 0.d1d2d3… × 10^exp, the digits without zeros at either
// end. An inode or a 64-bit id does not fit into a float64, so nothing here is one.
type decimal struct {
	neg    bool
	n      int8  // digits used; 0 is zero
	exp    int32 // of the first digit
	digits [maxDigits]byte
}

// maxDigits bounds what is read as a number; longer digit strings are text.
const maxDigits = 64

// parseDecimal reads [+-]digits[.digits][e[+-]digits]. Nothing else is a number: no hexadecimal, no
// underscores (a file name such as 0x1p-2), no "inf" and no "nan", which are words.
func parseDecimal(s string) (d decimal, ok bool) {
	if s == "" || len(s) > maxDigits {
		return d, false
	}
	i := 0
	if s[0] == '-' || s[0] == '+' {
		d.neg = s[0] == '-'
		i++
	}
	seen, point := false, false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen = true
		if c == '0' && d.n == 0 {
			if point {
				d.exp--
			}
			continue
		}
		d.digits[d.n] = c
		d.n++
		if !point {
			d.exp++
		}
	}
	if !seen {
		return decimal{}, false
	}
	if i < len(s) {
		if s[i] != 'e' && s[i] != 'E' {
			return decimal{}, false
		}
		e, err := strconv.ParseInt(s[i+1:], 10, 32)
		if err != nil || e > math.MaxInt32/2 || e < math.MinInt32/2 {
			return decimal{}, false
		}
		d.exp += int32(e)
	}
	for d.n > 0 && d.digits[d.n-1] == '0' {
		d.n--
		d.digits[d.n] = 0
	}
	if d.n == 0 {
		return decimal{}, true // -0 and 0e9 are 0
	}
	return d, true
}

func decimalOf(i int64) decimal {
	var b [20]byte
	d, _ := parseDecimal(string(strconv.AppendInt(b[:0], i, 10)))
	return d
}

// compare gives -1, 0 or 1.
func (d *decimal) compare(o *decimal) int {
	sign := func(x *decimal) int {
		switch {
		case x.n == 0:
			return 0
		case x.neg:
			return -1
		}
		return 1
	}
	a, b := sign(d), sign(o)
	switch {
	case a != b:
		if a < b {
			return -1
		}
		return 1
	case a == 0:
		return 0
	}
	var c int
	if d.exp != o.exp {
		c = 1
		if d.exp < o.exp {
			c = -1
		}
	} else {
		c = strings.Compare(string(d.digits[:d.n]), string(o.digits[:o.n]))
	}
	return c * a
}

// figure is a number that a rule states, ready to be compared with integers fast.
type figure struct {
	exact   decimal
	whole   int64
	isWhole bool
}

func figureOf(d decimal) figure {
	f := figure{exact: d}
	if i := d.int64(); decimalOf(i) == d {
		f.whole, f.isWhole = i, true
	}
	return f
}

// int64 gives the number when it is one of int64; anything otherwise.
func (d *decimal) int64() (i int64) {
	if d.exp > 19 || d.exp < int32(d.n) {
		return 0
	}
	b := append(make([]byte, 0, 24), '+')
	if d.neg {
		b[0] = '-'
	}
	b = append(b, d.digits[:d.n]...)
	for range int(d.exp) - int(d.n) {
		b = append(b, '0')
	}
	i, _ = strconv.ParseInt(string(b), 10, 64)
	return i
}

// int compares an integer of the record with the figure.
func (f *figure) int(have int64) int {
	if f.isWhole {
		switch {
		case have < f.whole:
			return -1
		case have > f.whole:
			return 1
		}
		return 0
	}
	d := decimalOf(have)
	return d.compare(&f.exact)
}

// text compares a text of the record that reads as a number.
func (f *figure) text(have string) (c int, ok bool) {
	d, ok := parseDecimal(strings.TrimSpace(have))
	if !ok {
		return 0, false
	}
	return d.compare(&f.exact), true
}

// readFigure reads a number of a rule: as Sigma writes it, or as YAML does (0x1F, 0o17, 1_000).
func readFigure(v *yaml.Node) (figure, bool) {
	if d, ok := parseDecimal(v.Value); ok {
		return figureOf(d), true
	}
	if v.Tag != "!!int" {
		return figure{}, false
	}
	var i int64
	if v.Decode(&i) == nil {
		return figureOf(decimalOf(i)), true
	}
	var u uint64
	if v.Decode(&u) != nil {
		return figure{}, false
	}
	d, ok := parseDecimal(strconv.FormatUint(u, 10))
	return figureOf(d), ok
}
