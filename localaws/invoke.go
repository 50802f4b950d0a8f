package localaws

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sgward/localaws/runtimeapi"
)

// The form of Lambda's Invoke
// (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
const (
	invokePrefix = "/2015-03-31/functions/"
	invokeSuffix = "/invocations"
)

// invoked returns the name of the function that a request invokes.
func invoked(r *http.Request) (string, bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), invokePrefix)
	if !ok {
		return "", false
	}
	name, ok := strings.CutSuffix(rest, invokeSuffix)
	if !ok {
		return "", false
	}
	name, err := url.PathUnescape(name)
	return name, err == nil
}

// serveInvoke invokes a function, by its name, ARN or logical id, as an operator does.
// Only an asynchronous invocation goes on to the function's destinations.
func (s *Stack) serveInvoke(w http.ResponseWriter, r *http.Request, name string) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		invokeError(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", err.Error())
		return
	}
	if len(payload) == 0 {
		payload = []byte("{}") // as on Lambda
	}
	id, f := s.functionNamed(name)
	switch {
	case f == nil:
		invokeError(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+name+": want one of "+strings.Join(s.functionNames(), ", "))
	case !json.Valid(payload):
		invokeError(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
	case r.Header.Get("X-Amz-Invocation-Type") == "Event":
		if err := s.InvokeAsync(id, payload); err != nil {
			invokeError(w, http.StatusInternalServerError, "ServiceException", err.Error())
			return
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		result, err := f.Invoke(r.Context(), payload)
		if err != nil {
			invokeError(w, http.StatusInternalServerError, "ServiceException", err.Error())
			return
		}
		if result.FunctionError != "" {
			w.Header().Set("X-Amz-Function-Error", result.FunctionError)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(result.Payload) // the caller may be gone
	}
}

// functionNamed returns a function and its logical id, nil where there is none.
func (s *Stack) functionNamed(name string) (string, *runtimeapi.Function) {
	id := name
	if t, ok := s.template.FunctionByARN(name); ok {
		id = t.LogicalID
	}
	return id, s.functions[id]
}

func (s *Stack) functionNames() []string {
	var names []string
	for id := range s.functions {
		names = append(names, s.template.Functions[id].Name)
	}
	slices.Sort(names)
	return names
}

func invokeError(w http.ResponseWriter, status int, code, message string) {
	body, err := json.Marshal(map[string]string{"Type": "User", "message": message, "Message": message})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may be gone
}
