package yamltext

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// SuggestWord gives "did you mean X?" for the candidate nearest to word, or lists the candidates.
func SuggestWord(word string, candidates []string) string {
	best, distance := "", len(word)/2+1
	for _, candidate := range candidates {
		if len(word) > 63 {
			break
		}
		if d := EditDistance(strings.ToLower(word), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ListChoices(candidates)
}

// NearestWords gives the candidates nearest to word, at most most of them, the nearest first.
func NearestWords(word string, candidates []string, most int) []string {
	word = strings.ToLower(word[:min(len(word), 63)])
	nearest := slices.Clone(candidates)
	slices.SortFunc(nearest, func(a, b string) int {
		return cmp.Or(EditDistance(word, strings.ToLower(a))-EditDistance(word, strings.ToLower(b)), cmp.Compare(a, b))
	})
	return nearest[:min(len(nearest), most)]
}

// ListChoices lists the candidates.
func ListChoices(candidates []string) string {
	if len(candidates) == 0 {
		return ""
	}
	return "one of " + strings.Join(candidates, ", ")
}

// EditDistance is the Levenshtein distance of two texts, in bytes.
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		previous := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			previous, row[j] = row[j], min(row[j]+1, row[j-1]+1, previous+cost)
		}
	}
	return row[len(b)]
}

// ShortenText cuts a text for people to 80 characters.
func ShortenText(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:79]) + "…"
	}
	return text
}
