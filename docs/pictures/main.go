// Pictures makes the pictures of README.md from the real thing: the demo's text as SVG; an alert that the
// functions sent and two reports that sgward wrote as PNG, by a headless Chromium. `make pictures` runs it in
// the root of a checkout.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/alert"
	"sgward/internal/slack"
	"sgward/localaws"
	"sgward/localaws/ec2api"
	"sgward/localaws/tour"
)

const (
	folder   = "docs/pictures"
	template = "template.yaml"
	builds   = "build"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	browser, err := findBrowser()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "pictures")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()

	if err := demo(ctx); err != nil {
		return fmt.Errorf("the demo: %w", err)
	}
	message, err := alerted(ctx)
	if err != nil {
		return fmt.Errorf("the alert: %w", err)
	}
	page, err := channel(message)
	if err != nil {
		return fmt.Errorf("the alert: %w", err)
	}
	pages := map[string][]byte{"alert": page}
	for name, args := range map[string][]string{
		"replay": {"replay", "--policy", "policy.yaml", "--since", "2026-10-01", "--format", "html", "events"},
		"audit":  {"audit", "--policy", "policy.yaml", "--format", "html", folder + "/groups.json", folder + "/interfaces.json"},
	} {
		if pages[name], err = report(ctx, args); err != nil {
			return err
		}
	}
	heights := map[string]int{"alert": 560, "replay": 860, "audit": 980}
	for name, page := range pages {
		file := filepath.Join(work, name+".html")
		if err := os.WriteFile(file, page, 0o600); err != nil {
			return err
		}
		if err := shoot(ctx, browser, file, filepath.Join(folder, name+".png"), heights[name]); err != nil {
			return err
		}
	}
	return nil
}

// findBrowser returns the Chromium of CHROMIUM or PATH.
func findBrowser() (string, error) {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path, nil
		}
	}
	return "", errors.New("needs Chromium or Chrome for the pictures of pages: install one, or set CHROMIUM to its path")
}

// shoot takes a picture of a page as wide as README shows it.
func shoot(ctx context.Context, browser, page, picture string, height int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	picture, err := filepath.Abs(picture)
	if err != nil {
		return err
	}
	// Chromium's sandbox needs rights that containers lack; the pages are our own.
	out, err := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		fmt.Sprintf("--window-size=1100,%d", height), "--screenshot="+picture, "file://"+page).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", browser, err, out)
	}
	return nil
}

// report runs a command that ends with findings.
func report(ctx context.Context, args []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(builds, "sgward"), args...)
	out, err := cmd.Output()
	const findings = 3
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != findings {
		return nil, fmt.Errorf("sgward %s: want exit status %d: %w", strings.Join(args, " "), findings, err)
	}
	return out, nil
}

// demo draws the first scene of `sgward demo`.
func demo(ctx context.Context) error {
	var out bytes.Buffer
	if err := tour.Demo(ctx, tour.DemoConfig{TemplatePath: template, BuildDir: builds, Out: &out, Color: true, Width: 80}); err != nil {
		return err
	}
	// From the scene's title to the alert, which has a picture of its own.
	_, scene, begins := strings.Cut(out.String(), "1. A database, opened to the world")
	scene, _, ends := strings.Cut(scene, "┌─ #cloud-security")
	if !begins || !ends {
		return errors.New("no first scene with an alert")
	}
	scene = scene[strings.Index(scene, "\n")+1 : strings.LastIndex(scene, "\n")]
	lines := append([]string{"$ sgward demo", "", "\x1b[1m1. A database, opened to the world\x1b[0m"}, strings.Split(strings.TrimSpace(scene), "\n")...)
	return os.WriteFile(filepath.Join(folder, "demo.svg"), terminal("sgward demo", lines), 0o600)
}

// colors are those of a terminal, by the codes of text.Style.
var colors = map[string]string{
	"1": `font-weight="bold"`, "2": `fill="#8b949e"`, "31": `fill="#ff7b72"`, "32": `fill="#7ee787"`, "33": `fill="#e3b341"`,
	"35": `fill="#d2a8ff"`, "36": `fill="#79c0ff"`, "1;31": `font-weight="bold" fill="#ff7b72"`,
}

var (
	paint = regexp.MustCompile("\x1b\\[([0-9;]*)m")
	words = regexp.MustCompile(`\S+(?: \S+)*`)
)

// terminal draws lines with colours as an SVG.
func terminal(title string, lines []string) []byte {
	const (
		width, step, top, left = 820, 18, 58, 20
		advance                = 7.8 // of a character of 13 pixels, whatever the reader's font
	)
	height := top + step*len(lines) + 10
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s in a terminal">
<rect width="%d" height="%d" rx="8" fill="#0d1117"/>
<circle cx="22" cy="20" r="6" fill="#ff5f56"/><circle cx="42" cy="20" r="6" fill="#ffbd2e"/><circle cx="62" cy="20" r="6" fill="#27c93f"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" fill="#e6edf3">
`, width, height, width, height, title, width, height)
	for i, line := range lines {
		column, style := 0, ""
		// A run of words has a place and a width of its own: an SVG folds blanks.
		write := func(s string) {
			for _, m := range words.FindAllStringIndex(s, -1) {
				at := column + utf8.RuneCountInString(s[:m[0]])
				fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f" %s>%s</text>`+"\n", left+advance*float64(at), top+step*i,
					advance*float64(utf8.RuneCountInString(s[m[0]:m[1]])), style, html.EscapeString(s[m[0]:m[1]]))
			}
			column += utf8.RuneCountInString(s)
		}
		at := 0
		for _, m := range paint.FindAllStringSubmatchIndex(line, -1) {
			write(line[at:m[0]])
			style, at = colors[line[m[2]:m[3]]], m[1]
		}
		write(line[at:])
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

// alerted has somebody open a database to the world, and returns the alert for machines, from which the
// function for Slack makes its message.
func alerted(ctx context.Context) (string, error) {
	const key = "ASIAIOSFODNN7EXAMPLE"
	messages := make(chan string, 1)
	stack, err := localaws.Start(ctx, localaws.Config{
		TemplatePath: template, BuildDir: builds, Listen: "127.0.0.1:0", Seed: "pictures",
		Parameters: map[string]string{"Mode": "enforce", "AccountName": "production"},
		Identities: map[string]ec2api.Identity{key: {Role: "Developer", Session: "casey@example.com", SourceIP: "198.51.100.7"}},
		OnStep: func(step localaws.Step) {
			if step.Kind == localaws.StepAlerted {
				select {
				case messages <- step.Message.For("default"):
				default:
				}
			}
		},
	})
	if err != nil {
		return "", err
	}
	defer stack.Close()
	client := ec2.New(ec2.Options{
		Region: ec2api.DefaultRegion, BaseEndpoint: aws.String(stack.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(key, "not-a-secret", ""),
	})
	vpc, err := client.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16")})
	if err != nil {
		return "", err
	}
	group, err := client.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("orders-db"), Description: aws.String("order database"), VpcId: vpc.Vpc.VpcId,
	})
	if err != nil {
		return "", err
	}
	if _, err := stack.EC2().AddNetworkInterface(ec2api.NetworkInterface{
		GroupIDs: []string{aws.ToString(group.GroupId)}, Description: "orders-db-1", InstanceID: "i-0123456789abcdef0",
		PrivateIPv4: "10.20.1.15", PublicIPv4: "203.0.113.80",
	}); err != nil {
		return "", err
	}
	if _, err := client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: group.GroupId,
		IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306),
			IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0"), Description: aws.String("temporary, from home")}},
		}},
	}); err != nil {
		return "", err
	}
	select {
	case m := <-messages:
		return m, nil
	case <-time.After(30 * time.Second):
		return "", errors.New("none came")
	}
}

// block is the part of Block Kit that alerts use.
type block struct {
	Type     string
	Text     *element
	Fields   []element
	Elements []json.RawMessage
}

type element struct{ Type, Text string }

var (
	code  = regexp.MustCompile("(?s)```(.*?)```")
	quote = regexp.MustCompile("`([^`\n]+)`")
	bold  = regexp.MustCompile(`\*([^*\n]+)\*`)
	link  = regexp.MustCompile(`&lt;(https?://[^|&]+)\|([^&]+)&gt;`)
)

// markup is HTML of Slack's markup.
func markup(s string) string {
	s = html.EscapeString(html.UnescapeString(s))
	s = code.ReplaceAllString(s, "<pre>$1</pre>")
	s = quote.ReplaceAllString(s, "<code>$1</code>")
	s = bold.ReplaceAllString(s, "<b>$1</b>")
	s = link.ReplaceAllString(s, "<u>$2</u>")
	return strings.ReplaceAll(s, "\n", "<br>")
}

const style = `<!doctype html><meta charset="utf-8"><style>
body{margin:0;background:#fff;color:#1d1c1d;font:15px/1.46 system-ui,"DejaVu Sans",sans-serif}
header{padding:14px 24px;border-bottom:1px solid #ddd;font-weight:700;font-size:18px}
main{display:grid;grid-template-columns:48px 1fr;gap:12px;padding:18px 24px;max-width:980px}
.face{width:44px;height:44px;border-radius:8px;background:#24533f;color:#fff;display:grid;place-items:center;font-weight:700;font-size:20px}
.name{font-weight:700}.app{background:#e8e8e8;color:#616061;border-radius:3px;font-size:11px;font-weight:600;padding:1px 4px;margin:0 6px}
h1{font-size:18px;margin:8px 0 10px}.mark{display:inline-grid;place-items:center;width:18px;height:18px;border-radius:4px;background:#2e9e5b;color:#fff;font-size:13px;margin-right:6px}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:8px 24px;margin:8px 0}
p{margin:8px 0}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f8f8f8;border:1px solid #ddd;border-radius:4px;padding:8px;font:11px/1.5 "DejaVu Sans Mono",monospace;margin:6px 0}
code{background:#f8f8f8;border:1px solid #ddd;border-radius:3px;color:#c01343;font:12px "DejaVu Sans Mono",monospace;padding:1px 3px}
.button{display:inline-block;border:1px solid #bbb;border-radius:4px;padding:5px 12px;margin:4px 8px 4px 0;font-weight:700;font-size:13px}
.note{color:#616061;font-size:12px}</style>`

// channel is a page with the Block Kit message of an alert, laid out as a chat does.
func channel(message string) ([]byte, error) {
	raw, err := json.Marshal(slack.Message(alert.CardOf("", message)))
	if err != nil {
		return nil, err
	}
	var m struct{ Blocks []block }
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(style + `<header># cloud-security</header><main><div class="face">s</div><div><span class="name">sgward</span><span class="app">APP</span>`)
	for _, k := range m.Blocks {
		switch k.Type {
		case "header":
			title, closed := strings.CutPrefix(k.Text.Text, "✅ ")
			b.WriteString("<h1>")
			if closed { // not every machine has a font with emoji
				b.WriteString(`<span class="mark">✓</span>`)
			}
			b.WriteString(markup(title) + "</h1>")
		case "section":
			if k.Text != nil {
				b.WriteString("<p>" + markup(k.Text.Text) + "</p>")
			}
			if len(k.Fields) > 0 {
				b.WriteString(`<div class="fields">`)
				for _, f := range k.Fields {
					b.WriteString("<div>" + markup(f.Text) + "</div>")
				}
				b.WriteString("</div>")
			}
		case "actions", "context":
			if err := elements(&b, k); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("a block of type %q: want header, section, actions or context", k.Type)
		}
	}
	b.WriteString("</div></main>")
	return []byte(b.String()), nil
}

func elements(b *strings.Builder, k block) error {
	for _, raw := range k.Elements {
		if k.Type == "context" {
			var note element
			if err := json.Unmarshal(raw, &note); err != nil {
				return err
			}
			b.WriteString(`<p class="note">` + markup(note.Text) + "</p>")
			continue
		}
		var button struct{ Text element }
		if err := json.Unmarshal(raw, &button); err != nil {
			return err
		}
		b.WriteString(`<span class="button">` + markup(button.Text.Text) + "</span>")
	}
	return nil
}
