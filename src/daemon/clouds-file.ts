import { open, readFile, rename } from 'node:fs/promises'

export interface CloudSettings {
  authUrl: string
  region: string
  username: string
  password: string
  project: string
  domain: string
}

/** The name under which clients find the cloud: `openstack --os-cloud lodge`. */
const cloudName = 'lodge'

/** Writes the file whole or not at all, readable by its owner only. */
export async function writeCloudsFile(path: string, content: CloudSettings | string): Promise<void> {
  const temporary = `${path}.new`
  {
    await using file = await open(temporary, 'w', 0o600)
    await file.chmod(0o600)
    await file.writeFile(typeof content === 'string' ? content : cloudsYaml(content))
    await file.sync()
  }
  await rename(temporary, path)
}

/** The file's text; undefined when there is none. */
export async function readCloudsFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
}

/** The text with another URL for our cloud, as far as the file still has the form that we gave it. */
export function withAuthUrl(text: string, authUrl: string): string {
  return text.replace(authUrlLine, (_line, before: string) => before + JSON.stringify(authUrl))
}

const authUrlLine = new RegExp(`^(  ${cloudName}:\\n    auth:\\n      auth_url: )".*"$`, 'm')

/** Every value is a JSON string, which is YAML too, so that nothing in it can be taken for more than text. */
export function cloudsYaml(cloud: CloudSettings): string {
  const text = JSON.stringify
  return `clouds:
  ${cloudName}:
    auth:
      auth_url: ${text(cloud.authUrl)}
      username: ${text(cloud.username)}
      password: ${text(cloud.password)}
      project_name: ${text(cloud.project)}
      user_domain_name: ${text(cloud.domain)}
      project_domain_name: ${text(cloud.domain)}
    region_name: ${text(cloud.region)}
    identity_api_version: 3
`
}
