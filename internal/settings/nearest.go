package settings

import "strings"

// unknown says that a key does not exist and which one was probably meant.
func unknown(prefix, got string, names []string) *Mistake {
	best, far := "", len(got)/2+2
	for _, n := range names {
		if d := distance(strings.ToLower(strings.ReplaceAll(got, "-", "_")), n); d < far {
			best, far = n, d
		}
	}
	if best != "" {
		return Wrong("no key is called %s: did you mean %s?", "%s というキーはありません。%s の誤りではありませんか", prefix+got, prefix+best)
	}
	return Wrong("no key is called %s: the keys here are %s", "%s というキーはありません。ここで使えるキー: %s", prefix+got, strings.Join(names, ", "))
}

// distance counts the letters to add, drop or change to make b of a (Levenshtein), for short names.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := last
			if a[i] != b[j] {
				d++
			}
			last = row[j+1]
			row[j+1] = min(d, row[j]+1, last+1)
		}
	}
	return row[len(b)]
}
