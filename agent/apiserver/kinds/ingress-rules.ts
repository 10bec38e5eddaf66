import type { V1HTTPIngressPath, V1Ingress, V1IngressBackend, V1IngressClass } from '@kubernetes/client-node';
import { GoText } from '../go-text.js';
import type { KubeObject } from '../kube-object.js';
import { dnsSubdomain } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];

/** pkg/apis/networking/validation of ingresses: hosts, paths and backends. */
export function validateIngress(object: KubeObject): FieldError[] {
  const { rules = [], defaultBackend } = (object as unknown as V1Ingress).spec ?? {};
  if (rules.length === 0 && defaultBackend === undefined) return [fieldError.invalid('spec', new GoText('[]networking.IngressRule(nil)'), 'either `defaultBackend` or `rules` must be specified')];
  return [
    ...(defaultBackend === undefined ? [] : backendErrors(defaultBackend, 'spec.defaultBackend')),
    ...rules.flatMap(({ host = '', http }, index) => {
      const at = `spec.rules[${index}]`;
      const hosts = host === '' ? [] : dnsSubdomain(host.replace(/^\*\./, '')).map((why) => fieldError.invalid(`${at}.host`, host, why));
      return [...hosts, ...(http?.paths ?? []).flatMap((path, i) => pathErrors(path, `${at}.http.paths[${i}]`))];
    }),
  ];
}

function pathErrors({ path = '', pathType, backend }: V1HTTPIngressPath, at: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!pathType) errors.push(fieldError.required(`${at}.pathType`, 'pathType must be specified'));
  else if (!PATH_TYPES.includes(pathType)) errors.push(fieldError.notSupported(`${at}.pathType`, pathType, PATH_TYPES));
  else if (!path.startsWith('/') && (path !== '' || pathType !== 'ImplementationSpecific')) errors.push(fieldError.invalid(`${at}.path`, path, 'must be an absolute path'));
  return [...errors, ...backendErrors(backend, `${at}.backend`)];
}

function backendErrors({ service }: V1IngressBackend, at: string): FieldError[] {
  if (service === undefined) return [];
  const errors = service.name ? [] : [fieldError.required(`${at}.service.name`)];
  if (!service.port?.name && !service.port?.number) errors.push(fieldError.required(at, 'port name or number is required'));
  return errors;
}

export function validateIngressClass(object: KubeObject): FieldError[] {
  const controller = (object as unknown as V1IngressClass).spec?.controller ?? '';
  if (controller === '') return [fieldError.required('spec.controller')];
  const [domain = '', path = ''] = controller.split(/\/(.*)/s);
  return path !== '' && dnsSubdomain(domain).length === 0 ? [] : [fieldError.invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")')];
}
