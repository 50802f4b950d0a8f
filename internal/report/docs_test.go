package report

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThePageNamesTheColumnsAndFormats(t *testing.T) {
	page, err := os.ReadFile("../../docs/REPORTS.md")
	require.NoError(t, err)
	var names []string
	for _, c := range columnsOfCSV() {
		names = append(names, c.name)
	}
	assert.Contains(t, string(page), "\n"+strings.Join(names, ",")+"\n")
	for _, f := range Formats() {
		assert.Contains(t, string(page), "\n| `"+string(f)+"`")
	}
}
