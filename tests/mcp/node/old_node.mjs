// The conformance suite imports fs.globSync, which Node 20 does not have, for a command that is not run here.
import { register } from 'node:module';

const hooks = `
export async function resolve(name, context, next) {
    if (name === 'fs' && context.parentURL?.includes('/conformance/dist/'))
        return { url: 'old-node:fs', shortCircuit: true };
    return next(name, context);
}
export async function load(url, context, next) {
    if (url !== 'old-node:fs') return next(url, context);
    const source = "export * from 'node:fs'; export { default } from 'node:fs'; export const globSync = () => [];";
    return { format: 'module', shortCircuit: true, source };
}`;
if (Number(process.versions.node.split('.')[0]) < 22) register('data:text/javascript,' + encodeURIComponent(hooks));
