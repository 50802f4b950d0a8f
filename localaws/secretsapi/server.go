// Package secretsapi is an in-memory stand-in for AWS Secrets Manager: GetSecretValue of
// secrets that it is given, in the JSON protocol of the AWS SDKs and the CLI.
//
// It is for tests and tours only: signatures are not verified, and there are no versions.
package secretsapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"sgward/localaws/awswire"
)

const (
	// target is what the header X-Amz-Target begins with.
	target     = "secretsmanager."
	maxRequest = 64 << 10
)

// Server is an http.Handler. The zero value holds no secret, and lets everybody read.
type Server struct {
	Secrets map[string]string // by ARN
	// Authorize says whether an access key may call an action; nil allows everything.
	Authorize func(action, accessKey string) bool
}

// ActionOf returns the action that a request names, if it is for Secrets Manager.
func ActionOf(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action, ok := ActionOf(r)
	refuse := func(code, message string) { awswire.WriteError(w, "1.1", http.StatusBadRequest, code, message) }
	if !ok || action != "GetSecretValue" {
		refuse("InvalidRequestException", fmt.Sprintf("This stand-in for Secrets Manager knows GetSecretValue, not %q.", action))
		return
	}
	if s.Authorize != nil && !s.Authorize(action, awswire.AccessKey(r)) {
		refuse("AccessDeniedException", "The role may not call secretsmanager:GetSecretValue.")
		return
	}
	var in struct{ SecretId string } // AWS's own spelling
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&in); err != nil {
		refuse("InvalidParameterException", err.Error())
		return
	}
	value, held := s.Secrets[in.SecretId]
	if !held {
		refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
		return
	}
	awswire.WriteJSON(w, "1.1", http.StatusOK, map[string]string{"ARN": in.SecretId, "SecretString": value})
}
