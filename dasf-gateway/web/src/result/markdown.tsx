/** Markdown as elements of the page: HTML in it is shown as text, and nothing is loaded from elsewhere. */

import type { AlignType, RootContent, Table } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmTableFromMarkdown } from 'mdast-util-gfm-table';
import { gfmTable } from 'micromark-extension-gfm-table';
import type { ComponentChildren, JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { safeLink } from './result';

export function Markdown({ text }: { text: string }): JSX.Element {
  const tree = useMemo(
    () => fromMarkdown(text, { extensions: [gfmTable()], mdastExtensions: [gfmTableFromMarkdown()] }),
    [text],
  );
  return <div class="markdown">{all(tree.children)}</div>;
}

function all(nodes: RootContent[]): ComponentChildren[] {
  return nodes.map((node, index) => <Node node={node} key={index} />);
}

function Node({ node }: { node: RootContent }): JSX.Element | null {
  switch (node.type) {
    case 'paragraph':
      return <p>{all(node.children)}</p>;
    case 'heading': {
      // The headings of the page come before those of a result.
      const Heading = `h${Math.min(6, node.depth + 2)}` as 'h3';
      return <Heading class={`level-${node.depth}`}>{all(node.children)}</Heading>;
    }
    case 'text':
      return <>{node.value}</>;
    case 'html':
      return <>{node.value}</>;
    case 'emphasis':
      return <em>{all(node.children)}</em>;
    case 'strong':
      return <strong>{all(node.children)}</strong>;
    case 'inlineCode':
      return <code>{node.value}</code>;
    case 'code':
      return (
        <pre tabIndex={0}>
          <code>{node.value}</code>
        </pre>
      );
    case 'blockquote':
      return <blockquote>{all(node.children)}</blockquote>;
    case 'list':
      return node.ordered ? <ol start={node.start ?? 1}>{all(node.children)}</ol> : <ul>{all(node.children)}</ul>;
    case 'listItem':
      return <li>{all(node.children)}</li>;
    case 'break':
      return <br />;
    case 'thematicBreak':
      return <hr />;
    case 'link': {
      const href = safeLink(node.url);
      if (!href) return <>{all(node.children)}</>;
      return (
        <a href={href} target="_blank" rel="noreferrer noopener">
          {all(node.children)}
        </a>
      );
    }
    case 'image': {
      // An image from another host would tell it who looks.
      const href = safeLink(node.url);
      const name = node.alt || node.url;
      return href ? (
        <a href={href} target="_blank" rel="noreferrer noopener">
          Image: {name}
        </a>
      ) : (
        <>{name}</>
      );
    }
    case 'table':
      return <TableNode node={node} />;
    case 'definition':
      return null;
    case 'linkReference':
      return <>{all(node.children)}</>;
    default:
      return 'children' in node ? <>{all(node.children as RootContent[])}</> : null;
  }
}

function TableNode({ node }: { node: Table }): JSX.Element {
  const [head, ...rows] = node.children;
  const align = (index: number): { class?: string } => {
    const found: AlignType | undefined = node.align?.[index];
    return found === 'right' ? { class: 'number' } : {};
  };
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {head?.children.map((cell, index) => (
              <th scope="col" {...align(index)}>
                {all(cell.children)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {row.children.map((cell, index) => (
                <td {...align(index)}>{all(cell.children)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
