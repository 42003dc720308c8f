"""The add-on `gitops`: what runs on edge nodes is what a Git repository in the cloud says.

Flux's source-controller fetches the repository, its kustomize-controller applies what is in it;
both run on the server node, beside the Git server. A witness on each edge node records what runs
there.
"""
