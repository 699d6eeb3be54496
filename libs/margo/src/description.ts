import type { ResourceKind } from './media.ts';

/** What the registry needs of an Application Description; everything else in it is left to the WFM. */
export interface ApplicationDescription {
  readonly id: string;
  readonly name: string;
  /** The tag of the Application Package, as written in the file (`1.10` stays `1.10`). */
  readonly version: string;
  /** Free text: nothing ties these names to a legal entity, and the publisher is often somebody else. */
  readonly organizations: readonly string[];
  readonly profiles: readonly DeploymentProfile[];
  /** Paths inside the package. */
  readonly resources: Readonly<Partial<Record<ResourceKind, string>>>;
  /** What is not conformant, one sentence each, for whoever publishes the package. */
  readonly findings: readonly string[];
}

export interface DeploymentProfile {
  readonly id: string;
  readonly type: 'helm' | 'compose';
  readonly components: readonly Component[];
  /** Components without an OCI reference: they can be neither pinned nor signed. */
  readonly legacyComponents: readonly LegacyComponent[];
}

export interface Component {
  readonly name: string;
  /** `oci://<registry>/<repository>` */
  readonly repository: string;
  readonly revision: string;
}

export interface LegacyComponent {
  readonly name: string;
  readonly packageLocation?: string;
}

export declare function parseApplicationDescription(yaml: Uint8Array): ApplicationDescription;
export declare function referenceOfComponent(component: Component): string;
