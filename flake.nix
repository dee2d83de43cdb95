{
  description = "Neural style transfer on the CPU";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      each = nixpkgs.lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
    in
    {
      # `nix run . -- transfer photo.jpg painting.jpg`, `nix profile install .`
      packages = each (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        {
          default = pkgs.rustPlatform.buildRustPackage {
            pname = "impasto";
            version = (nixpkgs.lib.importTOML ./crates/cli/Cargo.toml).package.version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            cargoBuildFlags = [
              "--package"
              "impasto-cli"
            ];
            buildNoDefaultFeatures = true;
            buildFeatures = [
              "pure"
              "preview"
              "studio"
            ];
            # `.ci/run` runs the tests; they need more than a sandbox has.
            doCheck = false;
            nativeBuildInputs = [ pkgs.installShellFiles ];
            postInstall = ''
              $out/bin/impasto man man
              installManPage man/*.1
              for shell in bash zsh fish; do
                installShellCompletion --cmd impasto --$shell <($out/bin/impasto completions $shell)
              done
            '';
            meta = {
              description = "Neural style transfer on the CPU";
              license = with nixpkgs.lib.licenses; [
                mit
                asl20
              ];
              mainProgram = "impasto";
            };
          };
        }
      );
    };
}
