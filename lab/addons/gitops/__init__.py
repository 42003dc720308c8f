"""The add-on `gitops`: edge nodes run what a Git repository in the cloud declares.

Flux's source-controller fetches the repository, its kustomize-controller applies its content; both
run on the server node, beside the Git server. A witness on each edge node records what runs there.
"""
