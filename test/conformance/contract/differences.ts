const UNUSED = 'there so that `kubectl apply --prune` finds it, and run by nobody: the presence of its template has no owner, it does not orphan by itself, and has no scale';
const JSON_TEXT = 'the same code and reason, and what is wrong with the JSON in the words of this parser';

/**
 * Where the embedded server is known to answer otherwise, by area and title,
 * and why. What it answers is recorded too (`recorded/embedded.json`), so that
 * a new difference, or one that is none any more, fails its case.
 */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  lives: {
    'Node lives': 'no taint `not-ready` on a new node: nothing here would take it away',
    'ReplicationController lives': UNUSED,
    'CustomResourceDefinition lives': 'the list of conditions itself has an owner, not only its items',
  },
  collections: {
    'ReplicationController: many are listed in pages, selected, and go together': UNUSED,
    'Namespace: many are listed in pages, selected, and go together': 'a label that is made of a generated name is owned',
  },
  reads: {
    'bad continuations and limits are refused': JSON_TEXT,
  },
  validation: {
    services: 'a dry run there does not look whether a node port is in the range',
  },
  rules: {
    'disruption budgets': 'the message of a real server shows where in its memory the values are',
  },
  discovery: {
    'aggregated discovery tells all at once': UNUSED,
    'OpenAPI v3 describes each kind': 'times of events are plain strings, not references to MicroTime and Time',
  },
  custom: {
    'its schema is held': 'a wrong type is 400 as for built-in kinds, 422 there; keys of lists are not checked for duplicates',
    'a definition has to make sense': 'fewer causes are listed',
  },
  corners: {
    'pages with another question': JSON_TEXT,
    'YAML is answered and understood': 'a field called `.` is quoted; bad YAML is described in other words',
    'managers that are none': 'the same code for a wrong type in an apply, in the words of other writes',
    'patches of a wrong form': 'the same code for a patch that makes another kind, in other words',
    'deletions with strange options': `${JSON_TEXT}; and Go's names of types that are strings`,
    'bodies of other sizes and types': JSON_TEXT,
    'what may not change': 'without the difference of two specs as Go prints it',
  },
};
