package sigma

import "gopkg.in/yaml.v3"

// refuseOther names the documents that are Sigma but no rule.
func refuseOther(doc *yaml.Node) error {
	switch {
	case doc.Kind != yaml.MappingNode:
		return refuse(BadDocument, doc.Line, "the document is no map")
	case get(doc, "correlation") != nil:
		return refuse(CorrelationClass, doc.Line, "correlation rules are not judged yet; only single-event rules are")
	case get(doc, "action") != nil:
		return refuse(Obsolete, doc.Line, "action (collections of the old format) is obsolete; write one document for each rule")
	}
	return nil
}
