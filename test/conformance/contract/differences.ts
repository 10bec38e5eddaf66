const WATCH_LIST = 'kube-apiserver 1.33 has the WatchList feature off, and Debian\'s etcd could not serve it; here sendInitialEvents works as later versions have it';
const TEXT = 'the same code and reason, other words';
const CLAIM = 'no finalizer `pvc-protection`: nothing here would take it away';

/**
 * Where the embedded server is known to answer otherwise, by area and title,
 * and why. What it answers is recorded too (`recorded/embedded.json`), so that
 * a new difference, or one that is none any more, fails its case.
 */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  lives: {
    'Node lives': 'no taint `not-ready` on a new node: nothing here would take it away',
    'PersistentVolumeClaim lives': CLAIM,
    'ControllerRevision lives': 'the fields of `data` are owned; a real server owns none of them',
    'CustomResourceDefinition lives': 'the list of conditions itself has an owner, not only its items',
  },
  collections: {
    'Event: changes are watched': 'too old, in other words: a real server keeps no cache of events and asks etcd',
    'PersistentVolumeClaim: many are listed in pages, selected, and go together': CLAIM,
    'PersistentVolumeClaim: changes are watched': CLAIM,
    'ControllerRevision: many are listed in pages, selected, and go together': 'the fields of `data` are owned; a real server owns none of them',
  },
  reads: {
    'bad continuations and limits are refused': TEXT,
    'bad label selectors are refused': TEXT,
  },
  watches: {
    'a version that is no number is refused': '400 BadRequest as for lists; a real server says 500 without a reason',
    'initial events end with a bookmark': WATCH_LIST,
    'initial events need bookmarks and a match': WATCH_LIST,
    'a watch without initial events starts now': WATCH_LIST,
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
    'more of pods': 'a pod does not need its service account to exist',
    'replica sets': 'of a selector that is none, the template\'s labels are told too',
    'stateful sets': 'a template of a StatefulSet is held to the rules of pods; a real server takes one without containers',
    'daemon sets': 'a missing selector is told, as of other workloads; a real server tells of a template instead',
    jobs: 'a selector that is given without `manualSelector` is replaced, there refused',
    secrets: 'another byte is named as the first that is no base 64',
    'disruption budgets': TEXT,
    'small kinds': 'LimitRanges and ResourceQuotas are stored, not enforced, and their amounts not looked at',
  },
  discovery: {
    'OpenAPI v3 describes each kind': 'times of events are plain strings, not references to MicroTime and Time',
  },
  custom: {
    'its schema is held': 'a wrong type is 400 as for built-in kinds, 422 there; keys of lists are not checked for duplicates',
    'a definition has to make sense': 'fewer causes are listed',
  },
};
