package link

// concealed names the condition of an SQLSTATE whose messages may hold values of rows: data that
// does not fit its type, violated constraints, and whatever code of users, extensions and foreign
// servers raises.
func concealed(code string) (name string, ok bool) {
	if len(code) != 5 {
		return "an error without SQLSTATE", true
	}
	class, ok := concealedClasses[code[:2]]
	if !ok {
		return "", false
	}
	if name, ok := conditions[code]; ok {
		return name, true
	}
	return class, true
}

var concealedClasses = map[string]string{
	"22": "data exception",
	"23": "integrity constraint violation",
	"38": "external routine exception",
	"39": "external routine invocation exception",
	"44": "with check option violation",
	"HV": "error of a foreign data wrapper",
	"P0": "error raised by a function",
}

var conditions = map[string]string{
	"22001": "string data right truncation",
	"22003": "numeric value out of range",
	"22007": "invalid datetime format",
	"22008": "datetime field overflow",
	"2200H": "sequence generator limit exceeded",
	"2200M": "invalid xml document",
	"2200N": "invalid xml content",
	"22012": "division by zero",
	"22021": "character not in repertoire",
	"22023": "invalid parameter value",
	"22030": "duplicate json object key value",
	"22032": "invalid json text",
	"22P01": "floating point exception",
	"22P02": "invalid text representation",
	"22P03": "invalid binary representation",
	"22P04": "bad copy file format",
	"22P05": "untranslatable character",
	"23001": "restrict violation",
	"23502": "not null violation",
	"23503": "foreign key violation",
	"23505": "unique violation",
	"23514": "check violation",
	"23P01": "exclusion violation",
	"P0001": "exception raised by a function",
	"P0004": "assertion failed in a function",
}
