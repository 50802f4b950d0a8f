// Package awswire has the parts of AWS's HTTP protocols that the stand-ins share.
package awswire

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

// Credential reads access key, region and service from a SigV4 signature, in the header or
// in a presigned address whose form has been parsed. It does not check the signature; all
// are "" where there is none.
func Credential(r *http.Request) (accessKey, region, service string) {
	scope := r.Form.Get("X-Amz-Credential")
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		scope, _, _ = strings.Cut(after, ",")
	}
	parts := strings.Split(strings.TrimSpace(scope), "/")
	if n := len(parts); n >= 5 { // key/date/region/service/aws4_request
		return strings.Join(parts[:n-4], "/"), parts[n-3], parts[n-2]
	}
	return "", "", ""
}

// AccessKey reads the access key alone.
func AccessKey(r *http.Request) string {
	key, _, _ := Credential(r)
	return key
}

// WriteJSON answers a call of one of the JSON protocols; version is "1.0" or "1.1".
func WriteJSON(w http.ResponseWriter, version string, status int, document any) {
	body, err := json.Marshal(document)
	if err != nil { // texts and numbers always encode
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-"+version)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the only error is that the caller has gone
}

// WriteXML answers a call of one of the XML protocols, in one piece with its length: in two, a
// client behind delayed acknowledgements would wait some 40 ms for the second.
func WriteXML(w http.ResponseWriter, contentType string, status int, document any) {
	body, err := xml.Marshal(document)
	if err != nil { // texts and numbers always encode
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the only error is that the caller has gone
}

// WriteError answers a call of one of the JSON protocols that failed.
func WriteError(w http.ResponseWriter, version string, status int, code, message string) {
	WriteJSON(w, version, status, map[string]string{"__type": code, "message": message})
}
