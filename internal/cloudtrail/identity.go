package cloudtrail

// identity is what is read of userIdentity.
type identity struct {
	Actor
	accountID string
}

// identity reads userIdentity. Nothing of it has to be there: calls that AWS makes
// itself have neither ARN nor account, some not even a type, and sessionIssuer may
// be an empty object.
func (d *decoder) identity(raw []byte) (id identity) {
	d.value(raw, "userIdentity", func(r *reader) {
		r.object(func(key []byte) bool {
			switch string(key) {
			case "type":
				id.Type = r.text()
			case "arn":
				id.ARN = r.text()
			case "accountId":
				id.accountID = r.text()
			case "invokedBy":
				id.InvokedBy = r.text()
			case "sessionContext":
				id.SessionIssuerARN = r.sessionIssuer()
			default:
				return false
			}
			return true
		})
	})
	return id
}

func (r *reader) sessionIssuer() (arn string) {
	r.member("sessionIssuer", func() {
		r.member("arn", func() { arn = r.text() })
	})
	return arn
}

// member reads an object, or null, for one of its members.
func (r *reader) member(name string, read func()) {
	if r.null() {
		return
	}
	r.object(func(key []byte) bool {
		if string(key) != name {
			return false
		}
		read()
		return true
	})
}
