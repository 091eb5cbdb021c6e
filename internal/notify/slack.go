package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// slackLimit is how many characters of a text are sent; Slack takes 3000 in a section.
const slackLimit = 2800

// slack is the message as Slack's incoming webhooks take it: a text for what shows no blocks, and blocks of Block Kit. Slack answers 200 and "ok".
// See https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and https://docs.slack.dev/reference/block-kit/blocks.
//
// What others made up, such as the name of a host, is in plain_text only and escaped there too: it can be no link, no mention and no
// formatting. The links are ours.
func (m *message) slack() ([]byte, error) {
	text := slackText(m.text())
	blocks := []any{map[string]any{"type": "section", "text": map[string]any{"type": "plain_text", "text": text, "emoji": false}}}
	if links := m.slackLinks(); links != "" {
		blocks = append(blocks, map[string]any{"type": "context", "elements": []any{map[string]any{"type": "mrkdwn", "text": links}}})
	}
	return json.Marshal(map[string]any{"text": text, "mrkdwn": false, "unfurl_links": false, "blocks": blocks})
}

func (m *message) slackLinks() string {
	var parts []string
	for _, l := range m.links() {
		parts = append(parts, fmt.Sprintf("<%s|%s>", slackText(strings.ReplaceAll(l.Href, "|", "%7C")), l.Text))
	}
	return strings.Join(parts, " · ")
}

// slackText escapes the three characters that Slack gives a meaning (https://docs.slack.dev/messaging/formatting-message-text#escaping),
// makes a space of what cannot be printed, and ends after slackLimit characters.
func slackText(text string) string {
	var b strings.Builder
	for _, r := range text {
		piece := string(r)
		switch {
		case r == '&':
			piece = "&amp;"
		case r == '<':
			piece = "&lt;"
		case r == '>':
			piece = "&gt;"
		case !unicode.IsPrint(r):
			piece = " "
		}
		if b.Len()+len(piece) > slackLimit {
			return b.String() + "…"
		}
		b.WriteString(piece)
	}
	return b.String()
}
