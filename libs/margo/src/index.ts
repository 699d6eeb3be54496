export { MargoFault, type MargoFaultCode } from './fault.ts';
export { MEDIA, artifactTypeOf, resourceMediaType, shortNameOf, type ResourceKind, type ShortName } from './media.ts';
export {
  parseApplicationDescription,
  referenceOfComponent,
  type ApplicationDescription,
  type Component,
  type DeploymentProfile,
  type LegacyComponent,
} from './description.ts';
export { composeImages, chartImages, type FoundImages } from './images.ts';
export { encodeImageName, parseImageName, type ImageName } from './image-name.ts';
export { parseChartArchive, parseComposeArchive, type ChartArchive, type ComposeArchive } from './archive.ts';
export { encodeTar, parseTar, type TarEntry, type TarFile } from './tar.ts';
export { parseYaml, YAML_LIMITS, type Yaml, type YamlLimits, type YamlMap } from './yaml.ts';
