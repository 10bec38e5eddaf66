const UNUSED = 'there so that `kubectl apply --prune` finds it, and run by nobody: the presence of its template has no owner, it does not orphan by itself, and has no scale';
const TEXT = 'the same code and reason, other words';

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
    'bad continuations and limits are refused': TEXT,
    'bad label selectors are refused': TEXT,
  },
  watches: {
    'a version that is no number is refused': '400 BadRequest as for lists; a real server says 500 without a reason',
  },
  writes: {
    'what clients may not choose is chosen anyway': 'another uid in a patch is a conflict here, 422 there; a generation that a client chose for a kind without one is dropped',
    'objects go where the path says': TEXT,
    'bodies that are no objects are refused': TEXT,
    'an update of an older version is a conflict': TEXT,
    'JSON patches do what they say or nothing': 'replacing what is not there is refused, as RFC 6902 wants; a real server adds it',
    'an unknown kind of patch is refused': TEXT,
    'an apply has to be one': 'an unknown field in an apply is told or refused (400) as in other writes; a real server answers 500 without a reason',
    'unknown and duplicate fields are refused, told or dropped as asked': 'unknown fields are told before duplicate ones, not in the order of the body',
  },
  deletions: {
    'finalizers hold an object until they are gone': 'the cause is listed once, not twice',
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
};
