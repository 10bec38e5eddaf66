import type { Fields } from '../kube-object.js';
import { messageEncoder, type MessageTable } from '../protobuf/encode.js';

/**
 * An OpenAPI v2 document as `openapi.v2.Document` of gnostic's OpenAPIv2.proto:
 * the only form in which kubectl before 1.28 asks for it.
 */
export function openApiProtobuf(document: Fields): Buffer {
  return encode(document, 'Document');
}

/** Field numbers of the messages that documents of this server use; their parameters are all in the query. */
const MESSAGES: MessageTable = {
  Document: 'swagger=1 info=2:Info paths=8:Paths definitions=9:Definitions x-*=16.2:json',
  Info: 'title=1 version=2 description=3 x-*=7.2:json',
  Paths: 'x-*=1.2:json *=2:PathItem',
  PathItem: 'get=2:Operation put=3:Operation post=4:Operation delete=5:Operation options=6:Operation head=7:Operation patch=8:Operation x-*=10.2:json',
  Operation: 'tags=1 summary=2 description=3 operationId=5 produces=6 consumes=7 parameters=8.1.2.3:QueryParameter responses=9:Responses schemes=10 deprecated=11:flag x-*=13.2:json',
  QueryParameter: 'required=1:flag in=2 description=3 name=4 allowEmptyValue=5:flag type=6 format=7 uniqueItems=20:flag x-*=23.2:json',
  Responses: '*=1.1:Response x-*=2.2:json',
  Response: 'description=1 schema=2.1:Schema x-*=5.2:json',
  Definitions: '*=1:Schema',
  Properties: '*=1:Schema',
  Schema:
    '$ref=1 format=2 title=3 description=4 default=5.2:json pattern=13 uniqueItems=16:flag required=19 enum=20.2 additionalProperties=21.1:Schema type=22.1 items=23.1:Schema allOf=24:Schema properties=25:Properties x-*=31.2:json',
};

const encode = messageEncoder(MESSAGES);
