import type { DomainRecord } from '../../model/identity.ts'
import { isoMicroseconds } from '../common/time.ts'
import type { CatalogService } from './catalog.ts'
import type { Session } from './session.ts'

/** A token as Keystone shows it. The catalog is left out when there is none. */
export function tokenView(session: Session, catalog: CatalogService[] | undefined): object {
  const { record, user, userDomain } = session
  return {
    token: {
      methods: record.methods,
      user: { domain: brief(userDomain), id: user.id, name: user.name, password_expires_at: null },
      audit_ids: [record.auditId],
      expires_at: `${isoMicroseconds(record.expiresAt)}Z`,
      issued_at: `${isoMicroseconds(record.issuedAt)}Z`,
      ...scopeView(session),
      ...(catalog ? { catalog } : {}),
    },
  }
}

function scopeView(session: Session): object {
  const roles = session.roleRecords.map(({ id, name }) => ({ id, name }))
  const { project, projectDomain, domain, record } = session
  if (project && projectDomain)
    return {
      project: { domain: brief(projectDomain), id: project.id, name: project.name },
      is_domain: false,
      roles,
    }
  if (domain) return { domain: brief(domain), roles }
  return record.system ? { system: { all: true }, roles } : {}
}

const brief = ({ id, name }: DomainRecord): object => ({ id, name })
