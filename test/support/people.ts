/** Users with a role on a project of their own, for tests of who may do what. */
import { loginAs, type OpenStackApi } from './openstack-api.ts'

export interface Person extends OpenStackApi {
  readonly userId: string
  readonly password: string
}

/** Makes a project and a user named `name` with this role on it, and logs that user in. */
export async function addPerson(
  admin: OpenStackApi,
  name: string,
  role: 'reader' | 'member' | 'admin',
): Promise<Person> {
  const password = `password of ${name}: ${crypto.randomUUID()}`
  const { project } = (await admin.must('POST', '/identity/v3/projects', { project: { name } })).body
  const { user } = (await admin.must('POST', '/identity/v3/users', { user: { name, password } })).body
  const { roles } = (await admin.must('GET', `/identity/v3/roles?name=${role}`)).body
  await admin.must('PUT', `/identity/v3/projects/${project.id}/users/${user.id}/roles/${roles[0].id}`)
  const api = await loginAs({ user: name, password, project: name }, admin.url)
  return { ...api, userId: user.id, password }
}
