// Package stsapi is a stand-in for one call of AWS STS, GetCallerIdentity, in the Query
// protocol. It does not verify signatures.
package stsapi

import (
	"crypto/rand"
	"encoding/xml"
	"net/http"

	"sgward/localaws/awswire"
)

// Version is the API version that calls name.
const Version = "2011-06-15"

const namespace = "https://sts.amazonaws.com/doc/" + Version + "/"

// Caller is a caller's identity as STS returns it. UserID is the unique id of the user,
// the account for root, and "ROLE-ID:SESSION" for a role.
type Caller struct{ Account, ARN, UserID string }

// Handler answers calls. identify returns the owner of an access key at a region's
// endpoint.
func Handler(identify func(r *http.Request) Caller) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		if action := r.FormValue("Action"); action != "GetCallerIdentity" {
			awswire.WriteXML(w, "text/xml", http.StatusBadRequest, errorReply{
				XMLName: xml.Name{Space: namespace, Local: "ErrorResponse"}, Type: "Sender", Code: "InvalidAction",
				Message: "This stand-in for STS knows GetCallerIdentity, not " + action, RequestID: id,
			})
			return
		}
		caller := identify(r)
		awswire.WriteXML(w, "text/xml", http.StatusOK, identityReply{
			XMLName: xml.Name{Space: namespace, Local: "GetCallerIdentityResponse"},
			ARN:     caller.ARN, UserID: caller.UserID, Account: caller.Account, RequestID: id,
		})
	})
}

type identityReply struct {
	XMLName   xml.Name
	ARN       string `xml:"GetCallerIdentityResult>Arn"`
	UserID    string `xml:"GetCallerIdentityResult>UserId"`
	Account   string `xml:"GetCallerIdentityResult>Account"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

type errorReply struct {
	XMLName   xml.Name
	Type      string `xml:"Error>Type"`
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	RequestID string `xml:"RequestId"`
}
