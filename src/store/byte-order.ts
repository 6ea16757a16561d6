import {
  DataTypeNode,
  OperationNodeTransformer,
  RawNode,
  type ColumnDefinitionNode,
  type KyselyPlugin,
  type QueryId,
} from 'kysely'

/**
 * For PostgreSQL's tables: texts are compared by their bytes, as in SQLite, whatever the database's language. Lists
 * are then in the same order everywhere, and pages fit together.
 */
export const textsInByteOrder: KyselyPlugin = {
  transformQuery: ({ node, queryId }) => transformer.transformNode(node, queryId),
  transformResult: async ({ result }) => result,
}

class TextColumns extends OperationNodeTransformer {
  protected override transformColumnDefinition(
    node: ColumnDefinitionNode,
    queryId?: QueryId,
  ): ColumnDefinitionNode {
    const column = super.transformColumnDefinition(node, queryId)
    if (!DataTypeNode.is(column.dataType) || column.dataType.dataType !== 'text') return column
    return { ...column, dataType: RawNode.createWithSql('text collate "C"') }
  }
}

const transformer = new TextColumns()
