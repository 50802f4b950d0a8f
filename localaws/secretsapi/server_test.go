package secretsapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/localaws/secretsapi"
)

const held = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hook"

func ask(s *secretsapi.Server, action, arn string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"SecretId":"`+arn+`"}`))
	r.Header.Set("X-Amz-Target", "secretsmanager."+action)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestASecretIsReadByWhoeverMay(t *testing.T) {
	s := &secretsapi.Server{Secrets: map[string]string{held: "value"}}
	status, body := ask(s, "GetSecretValue", held)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"ARN":"`+held+`","SecretString":"value"}`, body)
	for code, asked := range map[string][2]string{"ResourceNotFoundException": {"GetSecretValue", held + "x"}, "InvalidRequestException": {"PutSecretValue", held}} {
		status, body = ask(s, asked[0], asked[1])
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, body, code)
	}
	s.Authorize = func(action, _ string) bool { return action != "GetSecretValue" }
	_, body = ask(s, "GetSecretValue", held)
	assert.Contains(t, body, "AccessDeniedException")
	assert.NotContains(t, body, `"value"`)
}
